// The map: drawn anew by the server when an alert changes, at most every two seconds.
import { Stream } from "./stream.js";

let timer = 0;
async function refresh() {
  timer = 0;
  const answer = await fetch("/map", { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.getAttribute("href");
  for (const part of [".map", ".map-list", ".page-title"]) {
    document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
  }
  if (focused) document.querySelector(`.map-page a[href="${CSS.escape(focused)}"]`)?.focus();
}
new Stream("/live", Number(document.getElementById("stream").dataset.position), {
  link() {}, time() {},
  alert() { timer ||= setTimeout(refresh, 2000); },
  ended() { location.assign("/login"); },
  reset() { location.reload(); },
}).open();
