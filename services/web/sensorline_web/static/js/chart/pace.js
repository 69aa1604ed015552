// When to draw: changes are gathered into one animation frame, at a rate that the page can afford.

const FASTEST_MS = 100;
const SLOWEST_MS = 500;

/** At most this share of the time goes into drawing scripts; painting costs about as much again. */
const SHARE = 0.15;

/** The pause between redraws for what one costs: 10 a second while cheap, falling to 2. */
export class Pace {
  costMs = 0;

  /** Learn what a redraw cost. One slow redraw counts at once, recovery takes a few. */
  note(costMs) {
    this.costMs = costMs > this.costMs ? (this.costMs + costMs) / 2 : 0.9 * this.costMs + 0.1 * costMs;
  }

  /** Milliseconds from the start of a redraw to the start of the next. */
  get intervalMs() {
    return Math.min(SLOWEST_MS, Math.max(FASTEST_MS, this.costMs / SHARE));
  }
}

export class Redraw {
  redraws = 0;
  pace = new Pace();
  #asked = false;
  #frame = 0;
  #timer = 0;
  #last = -Infinity;
  #stopped = false;

  /** `draw()` draws everything that needs it and returns whether it drew anything. */
  constructor(draw) {
    this.draw = draw;
  }

  /** Draw soon; any number of calls becomes one redraw. */
  ask() {
    if (this.#asked || this.#stopped) return;
    this.#asked = true;
    const wait = this.#last + this.pace.intervalMs - performance.now();
    if (wait > 4) this.#timer = setTimeout(() => this.#request(), wait);
    else this.#request();
  }

  /** No drawing while the tab is hidden. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#asked = false;
  }

  start() {
    this.#stopped = false;
    this.ask();
  }

  #request() {
    this.#frame = requestAnimationFrame((begun) => {
      this.#asked = false;
      this.#last = begun;
      const started = performance.now();
      if (this.draw()) {
        this.redraws += 1;
        this.pace.note(performance.now() - started);
      }
    });
  }
}
