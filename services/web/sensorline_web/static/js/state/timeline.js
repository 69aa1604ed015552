// Which window of time the charts show: a range that slides with the server's clock, or holds still: paused, or at a past instant.
import { instant } from "../format.js";
import { rangeById } from "./ranges.js";

export class Timeline {
  /** Readings that came while paused. */
  missed = 0;
  #clock;
  #pausedAt = null;
  #past = false;
  #range;
  #shown;

  constructor(clock, rangeId) {
    this.#clock = clock;
    this.#range = rangeById(rangeId);
    this.#shown = this.#range;
  }

  /** The range asked for. */
  get range() {
    return this.#range;
  }

  /** The range on the charts: the former one until the first history of a new range is there. */
  get shown() {
    return this.#shown;
  }

  get paused() {
    return this.#pausedAt !== null;
  }

  setRange(id) {
    this.#range = rangeById(id);
  }

  /** History of the asked-for range is there: show it. */
  arrived() {
    this.#shown = this.#range;
  }

  /** The past instant at which the window was put, or null. */
  get at() {
    return this.#past ? this.#pausedAt : null;
  }

  /** Hold still with the window ending at `at` (epoch ms). */
  hold(at) {
    this.#pausedAt = at;
    this.#past = true;
    this.missed = 0;
  }

  pause() {
    this.#pausedAt = this.#clock.now();
    this.#past = false;
    this.missed = 0;
  }

  resume() {
    this.#pausedAt = null;
    this.#past = false;
    this.missed = 0;
  }

  /** The shown window in words that follow "the": "last hour", "hour up to 20 Nov 14:03". */
  get words() {
    return this.#past ? `${this.#shown.words} up to ${instant(this.#pausedAt, this.#clock.now()).replace(/:\d\d$/, "")}` : `last ${this.#shown.words}`;
  }

  /** The window to draw for charts that are `widthPx` wide: moves by whole pixels, so that lines do not shimmer. */
  window(widthPx) {
    const pixel = this.#shown.ms / Math.max(1, widthPx);
    const to = this.#pausedAt ?? Math.ceil(this.#clock.now() / pixel) * pixel;
    return { from: to - this.#shown.ms, to, pixel };
  }

  /** The span to ask the API for. */
  span() {
    if (this.#pausedAt === null) return { from: `now-${this.#range.id}`, to: "now" };
    const to = Math.round(this.#pausedAt);
    return { from: to - this.#range.ms, to };
  }
}
