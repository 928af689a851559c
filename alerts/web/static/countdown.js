// Countdowns: time to the next step by the server's clock, not the phone's.
let ahead = 0; // Server time minus ours, in milliseconds.

export function setServerTime(iso) { ahead = Date.parse(iso) - Date.now(); }

export function startCountdowns(page) {
  const tick = () => {
    const now = Date.now() + ahead;
    for (const place of page.querySelectorAll(".countdown")) show(place, now);
  };
  tick();
  setInterval(tick, 1000);
  page.addEventListener("visibilitychange", tick);
}

function show(place, now) {
  const due = Date.parse(place.dataset.due);
  const left = Math.max(0, due - now);
  place.querySelector(".countdown-time").textContent = text(left / 1000);
  const whole = Math.max(1, due - Date.parse(place.dataset.from));
  place.querySelector(".countdown-fill").style.transform = `scaleX(${Math.min(1, left / whole)})`;
}

export function text(seconds) {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(whole % 60)}`;
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}
