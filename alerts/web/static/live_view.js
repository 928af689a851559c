// Live view of one camera: fragmented MP4 into Media Source Extensions, stills where that fails.
const INIT = 1, FRAGMENT = 2, STILL = 3, HEADER = 14;
const BEHIND_S = 1.2, CALM_S = 0.4, KEPT_S = 8, QUEUE_MAX = 400;
const FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 10000;
const Source = window.ManagedMediaSource ?? window.MediaSource;
const WORDS = {
  connecting: ["连接中…", "Connecting…"],
  lost: ["连接中断，正在重连", "The connection is lost; reconnecting"],
  stills: ["此浏览器不能播放这种视频，改为图片", "This browser cannot play this video: stills instead"],
  ended: ["观看已结束", "The view has ended"],
};

class LiveView {
  constructor(box) {
    this.box = box;
    this.video = box.querySelector("video");
    this.canvas = box.querySelector("canvas");
    this.note = box.querySelector("[role=status]");
    this.form = box.querySelector("form");
    this.mode = "video";
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.wanted ? this.stop() : this.start();
    });
    document.addEventListener("visibilitychange", () => this.wanted && this.seen());
    this.video.addEventListener("error", () => this.wanted && this.again());
  }

  start() {
    this.wanted = true;
    this.failures = 0;
    this.box.dataset.live = "on";
    this.open();
  }

  stop(words = WORDS.ended) {
    this.wanted = false;
    this.box.dataset.live = "off";
    this.close();
    this.tell(words);
  }

  // A page that nobody looks at asks for nothing.
  seen() { document.hidden ? this.close() : this.open(); }

  open() {
    this.close();
    this.tell(WORDS.connecting);
    const data = new FormData(this.form);
    const query = new URLSearchParams({ purpose: data.get("purpose"), mode: this.mode,
      stream: data.get("stream") ?? "sub" });
    this.path = `/api/v1/cameras/${encodeURIComponent(this.box.dataset.camera)}/live`;
    const address = new URL(`${this.path}?${query}`, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => { opened = true; };
    socket.onmessage = (event) => this.heard(event.data);
    socket.onclose = () => {
      if (socket !== this.socket || !this.wanted) return;
      opened ? this.again() : this.askWhy();
    };
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    clearTimeout(this.timer);
    this.forget();
  }

  again() {
    this.close();
    this.tell(WORDS.lost);
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures++);
    this.timer = setTimeout(() => this.open(), wait * (0.5 + Math.random() / 2));
  }

  // A handshake that fails tells a script nothing; the same address over HTTP says why.
  async askWhy() {
    try {
      const answer = await fetch(this.path, { headers: { Accept: "application/json" } });
      if ([401, 403, 404].includes(answer.status)) {
        const { error } = await answer.json();
        return this.stop([error.zh, error.en]);
      }
    } catch { /* the centre is away: try again */ }
    if (this.wanted) this.again();
  }

  heard(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      const words = [message.zh, message.en];
      if (message.type === "end") return this.stop(words);
      return this.tell(words, message.code);
    }
    this.failures = 0;
    const kind = new DataView(data).getUint8(0);
    const payload = new Uint8Array(data, HEADER);
    if (kind === STILL) this.draw(payload);
    else if (kind === INIT) this.begin(payload);
    else if (kind === FRAGMENT && this.queue) {
      this.queue.push(payload);
      if (this.queue.length > QUEUE_MAX) this.again();
      else this.pump();
    }
  }

  begin(payload) {
    this.forget();
    const length = payload[0];
    const codec = new TextDecoder().decode(payload.subarray(1, 1 + length));
    const type = `video/mp4; codecs="${codec}"`;
    if (!Source?.isTypeSupported(type)) {
      this.mode = "stills";
      this.fallback = true;
      return this.open();
    }
    const source = new Source();
    this.queue = [payload.subarray(1 + length)];
    this.video.disableRemotePlayback = true;
    this.address = URL.createObjectURL(source);
    source.addEventListener("sourceopen", () => {
      if (!this.queue || this.source !== source) return;
      this.buffer = source.addSourceBuffer(type);
      this.buffer.addEventListener("updateend", () => { this.follow(); this.pump(); });
      this.pump();
    }, { once: true });
    this.source = source;
    this.video.src = this.address;
  }

  forget() {
    this.queue = this.buffer = this.source = null;
    if (!this.address) return;
    URL.revokeObjectURL(this.address);
    this.address = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  pump() {
    const buffer = this.buffer;
    if (!buffer || buffer.updating || this.source?.readyState !== "open") return;
    try {
      const ranges = buffer.buffered;
      const old = this.video.currentTime - KEPT_S;
      if (ranges.length && ranges.start(0) < old - KEPT_S) return buffer.remove(0, old);
      if (!this.queue.length) return;
      const parts = this.queue.splice(0);
      const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) { all.set(part, at); at += part.length; }
      buffer.appendBuffer(all);
    } catch { this.again(); }
  }

  // Stay at the newest picture: jump when far behind or in a gap, hurry when a little behind.
  follow() {
    const ranges = this.buffer?.buffered;
    if (!ranges?.length) return;
    const last = ranges.length - 1, start = ranges.start(last), end = ranges.end(last);
    const behind = end - this.video.currentTime;
    if (!this.showing || this.video.currentTime < start || behind > BEHIND_S || behind < 0) {
      this.video.currentTime = Math.max(start, end - 0.1);
    }
    this.video.playbackRate = behind > CALM_S && behind <= BEHIND_S ? 1.1 : 1;
    if (this.video.paused) this.video.play().catch(() => {});
    if (!this.showing) this.show(this.video);
  }

  async draw(payload) {
    const picture = await createImageBitmap(new Blob([payload], { type: "image/jpeg" }));
    this.canvas.width = picture.width;
    this.canvas.height = picture.height;
    this.canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
    this.canvas.dataset.count = Number(this.canvas.dataset.count ?? 0) + 1;
    if (this.fallback) { this.fallback = false; this.tell(WORDS.stills, "stills"); }
    if (!this.showing) this.show(this.canvas);
  }

  show(element) {
    this.showing = true;
    this.video.hidden = element !== this.video;
    this.canvas.hidden = element !== this.canvas;
    if (!["masked", "stills"].includes(this.note.dataset.code)) this.tell(["", ""]);
  }

  tell([zh, en], code = "") {
    if (code !== "masked" && code !== "stills" && zh) this.showing = false;
    this.note.dataset.code = code;
    const english = document.createElement("span");
    english.lang = "en";
    english.textContent = en;
    this.note.replaceChildren(zh, " ", english);
  }
}

for (const box of document.querySelectorAll(".live-view")) new LiveView(box);
