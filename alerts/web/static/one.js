// One alert: the countdown runs, and a change of this alert shows the page anew.
import { setServerTime, startCountdowns } from "./countdown.js";
import { Stream } from "./stream.js";

const start = document.getElementById("stream").dataset;
setServerTime(start.now);
startCountdowns(document);
new Stream("/live", Number(start.position), {
  link() {},
  time: setServerTime,
  alert({ id }) { if (id === start.alert) location.reload(); },
  ended() { location.assign("/login"); },
  reset() { location.reload(); },
}).open();
