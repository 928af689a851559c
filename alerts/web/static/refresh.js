// Refresh: reads a part of this page again while somebody looks, so that what nodes answer shows.
const EVERY_MS = 3000;
const part = document.querySelector("[data-refresh]");
let last = part?.innerHTML;

async function look() {
  if (document.hidden || part.contains(document.activeElement)) return;
  const answer = await fetch(part.dataset.refresh, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  if (!fresh || fresh.innerHTML === last) return;
  last = fresh.innerHTML;
  part.replaceChildren(...fresh.childNodes);
}

if (part) setInterval(look, EVERY_MS);
