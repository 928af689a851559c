// The live page: takes cards from the stream, keeps them in order, sends answers.
import { Board } from "./board.js";
import { Sound } from "./sound.js";
import { Stream } from "./stream.js";
import { startCountdowns, setServerTime } from "./countdown.js";

const start = document.getElementById("stream").dataset;
const board = new Board(document);
const sound = new Sound(document.getElementById("sound"));
const csrf = document.querySelector('meta[name="csrf"]').content;
setServerTime(start.now);
startCountdowns(document);

const LINK = {
  connecting: ["连接中", "Connecting"],
  live: ["实时", "Live"],
  lost: ["重连中", "Reconnecting"],
  ended: ["未连接", "Offline"],
};

function showLink(state) {
  const [zh, en] = LINK[state];
  const link = document.getElementById("link");
  if (link.dataset.link === state) return;
  link.dataset.link = state === "ended" ? "lost" : state;
  const english = document.createElement("span");
  english.lang = "en";
  english.textContent = en;
  document.getElementById("link-text").replaceChildren(`${zh} `, english);
}

const stream = new Stream("/live", Number(start.position), {
  link: showLink,
  time: setServerTime,
  alert(message) {
    const { card, isNew } = board.put(message);
    if (card && isNew && card.dataset.waiting === "yes") sound.play(Number(card.dataset.rank));
  },
  ended() {
    showLink("ended");
    board.tell("bad", "登录已失效，看不到新告警", "Your session has ended; new alerts do not reach you",
      { href: "/login", zh: "重新登录", en: "Log in" });
  },
  reset() { location.reload(); },
});
stream.open();

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.answer");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const id = form.closest(".card").dataset.id;
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { "X-CSRF-Token": csrf, "X-Menshen-Fragment": "1", Accept: "application/json" },
    });
    if (answer.status === 401) return stream.end();
    const body = await answer.json();
    if (body.html) board.put({ id, html: body.html }, { answered: true });
    if (body.error) board.tell("soft", body.error.zh, body.error.en);
    else board.quiet();
  } catch {
    board.tell("bad", "没有发出去，请再按一次", "It was not sent; press again");
  } finally {
    button.disabled = false;
  }
});

if ("serviceWorker" in navigator && isSecureContext) {
  const version = document.querySelector('meta[name="version"]').content;
  navigator.serviceWorker.register(`/sw.js?v=${version}`).catch(() => {});
}
