// One alert: the countdown runs, and a change of this alert shows the page anew.
import { setServerTime, startCountdowns } from "./countdown.js";
import { Stream } from "./stream.js";
import "./forms.js";

// Somebody in the middle of a report keeps what they typed.
const busy = () => [...document.querySelectorAll("textarea, .photo-input")].some((field) => field.value)
  || Boolean(document.querySelector("form[data-sent]"));
const start = document.getElementById("stream").dataset;
setServerTime(start.now);
startCountdowns(document);
new Stream("/live", Number(start.position), {
  link() {},
  time: setServerTime,
  alert({ id }) { if (id === start.alert && !busy()) location.reload(); },
  ended() { location.assign("/login"); },
  reset() { location.reload(); },
}).open();
