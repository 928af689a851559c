// Sound: a soft wooden knock for a new alert, more knocks the louder it is; made, not loaded.
export class Sound {
  #button; #context = null;

  constructor(button) {
    this.#button = button;
    button.hidden = false;
    this.#show(localStorage.getItem("sound") === "on");
    button.addEventListener("click", () => {
      this.#show(!this.on);
      localStorage.setItem("sound", this.on ? "on" : "off");
      if (this.on) this.play(0);
    });
    // A browser lets a page sound only after a touch or a key.
    for (const kind of ["pointerdown", "keydown"]) {
      addEventListener(kind, () => { if (this.on) this.#wake(); }, { passive: true });
    }
  }

  get on() { return this.#button.getAttribute("aria-pressed") === "true"; }

  /** `rank`: 0 (info) to 3 (critical). */
  play(rank) {
    if (!this.on) return;
    const context = this.#wake();
    for (let knock = 0; knock <= rank; knock += 1) {
      this.#knock(context, context.currentTime + 0.02 + knock * 0.22);
    }
  }

  #wake() {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume();
    return this.#context;
  }

  #knock(context, at) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.type = "triangle";
    tone.frequency.setValueAtTime(620, at);
    tone.frequency.exponentialRampToValueAtTime(340, at + 0.12);
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.5, at + 0.008);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
    tone.connect(volume).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.22);
  }

  #show(on) { this.#button.setAttribute("aria-pressed", String(on)); }
}
