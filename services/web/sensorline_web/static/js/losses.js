// Where data may be missing: loads the events of what the charts show, and takes those that come live.
import { EventSet } from "./state/events.js";

/** So many events are asked for at once; the newest come first. */
const LIMIT = 1_000;
/** Books change with events: devices are asked for again, but not more often than this. */
const BOOKS_MS = 5_000;

export class Losses {
  events = new EventSet();
  #generation = 0;
  #booksTimer = 0;

  /** `onChange()`: the charts show something else; `onBooks()`: devices' accounts are other ones. */
  constructor({ api, clock, timeline, onChange, onBooks }) {
    Object.assign(this, { api, clock, timeline, onChange, onBooks });
  }

  /** Load the events of the span that history is loaded for. Without an answer what is known stays until the next load. */
  async load() {
    const generation = (this.#generation += 1);
    const { stamp } = this.events;
    const asked = this.timeline.span();
    const to = Number.isFinite(asked.to) ? asked.to : this.clock.now();
    let answer;
    try {
      answer = await this.api.events({ start: asked.from, end: asked.to, limit: LIMIT });
    } catch {
      // The charts have the same server: they say what is wrong with it.
      return;
    }
    if (generation !== this.#generation) return;
    const from = to - this.timeline.range.ms;
    this.events.load(answer.events, { from, to, stamp, whole: answer.events.length < LIMIT });
    this.onChange();
  }

  /** A live event. */
  apply(raw) {
    if (!this.events.apply(raw)) return;
    this.onChange();
    this.booksChanged();
  }

  /** Accounts have changed: have them loaded soon. */
  booksChanged() {
    this.#booksTimer ||= setTimeout(() => {
      this.#booksTimer = 0;
      this.onBooks();
    }, BOOKS_MS);
  }
}
