// The stream: server-sent events that go on from the last position, whatever happens to the line.
const SILENCE_MS = 40_000; // The server beats every 15 s; longer silence is a dead line.
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 20_000;

export class Stream {
  #path; #position; #on; #source = null; #timer = 0; #watch = 0; #failures = 0; #over = false;

  /** `on`: link(state), time(iso), alert(message), ended(), reset(). */
  constructor(path, position, on) {
    this.#path = path;
    this.#position = position;
    this.#on = on;
    addEventListener("online", () => this.#now());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !this.#source) this.#now();
    });
    // A page kept in the browser's back-forward memory must not hold the line.
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => { if (event.persisted) this.#now(); });
  }

  open() {
    if (this.#over) return;
    this.#drop();
    this.#on.link(this.#failures ? "lost" : "connecting");
    // The browser's own retry gives up for good at the first error page of a proxy, and waits
    // for ever on a dead line; so each try is ours, from the position we have seen.
    const source = new EventSource(`${this.#path}?after=${this.#position}`);
    this.#source = source;
    const take = (name, handle) => source.addEventListener(name, (event) => {
      if (source !== this.#source) return;
      this.#alive();
      handle(event);
      if (event.lastEventId) this.#position = Math.max(this.#position, Number(event.lastEventId));
    });
    take("beat", (event) => {
      this.#failures = 0;
      this.#on.link("live");
      this.#on.time(JSON.parse(event.data).now);
    });
    take("alert", (event) => this.#on.alert(JSON.parse(event.data)));
    take("session-ended", () => this.end());
    take("reset", () => { this.end(false); this.#on.reset(); });
    source.addEventListener("error", () => { if (source === this.#source) this.#failed(); });
    this.#alive();
  }

  /** Stop for good: the session is over. */
  end(tell = true) {
    if (this.#over) return;
    this.#over = true;
    this.#drop();
    if (tell) this.#on.ended();
  }

  #now() {
    if (this.#over) return;
    this.#failures = 0;
    this.open();
  }

  #drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    this.#source?.close();
    this.#source = null;
  }

  #alive() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#failed(), SILENCE_MS);
  }

  async #failed() {
    this.#drop();
    this.#failures += 1;
    this.#on.link("lost");
    const full = Math.min(FIRST_DELAY_MS * 2 ** (this.#failures - 1), LONGEST_DELAY_MS);
    // Jitter: after a restart, all pages of a county must not come back in the same instant.
    this.#timer = setTimeout(() => this.open(), full * (0.5 + Math.random() / 2));
    try {
      const answer = await fetch("/api/v1/session", { cache: "no-store" });
      if (answer.status === 401) this.end();
    } catch { /* No network: the next try is set already. */ }
  }
}
