// The desk: filters by kind and grid, full screen, and a key for everything the mouse can do.
const pickers = [...document.querySelectorAll(".pick select")];
const lists = ["waiting", "handled"].map((id) => document.getElementById(id));

function apply() {
  for (const card of document.querySelectorAll(".card")) {
    const hidden = pickers.some((picker) => picker.value && card.dataset[picker.name] !== picker.value);
    card.classList.toggle("filtered", hidden);
  }
}
for (const picker of pickers) {
  picker.value = localStorage.getItem(`pick-${picker.name}`) ?? "";
  if (picker.selectedIndex < 0) picker.value = "";
  picker.addEventListener("change", () => { localStorage.setItem(`pick-${picker.name}`, picker.value); apply(); });
}
for (const list of lists) new MutationObserver(apply).observe(list, { childList: true });
apply();

const full = document.getElementById("full");
const toggleFull = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {});
full.addEventListener("click", toggleFull);
const help = document.getElementById("keys");
document.getElementById("help").addEventListener("click", () => help.showModal());

const shown = () => [...document.querySelectorAll(".card:not(.filtered)")].filter((card) => card.offsetParent);
function move(step) {
  const cards = shown();
  const at = cards.indexOf(document.activeElement.closest(".card"));
  const next = cards[Math.max(0, Math.min(cards.length - 1, at < 0 ? 0 : at + step))];
  next?.querySelector(".title a").focus();
  next?.scrollIntoView({ block: "nearest" });
}
const keys = {
  j: () => move(1), k: () => move(-1),
  a: () => document.activeElement.closest(".card")?.querySelector(".ack")?.click(),
  f: toggleFull, s: () => document.getElementById("sound").click(),
  m: () => location.assign("/map"), "?": () => help.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.closest("input, select, textarea")) return;
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});
