// Where data may be missing: events as loaded with history and as they come live. Bounded.

/** Events held at most; beyond it those that ended first are let go. */
const MOST = 2_000;

/** Tell whether this word on an event takes it back: all that was missing has come. Events of other kinds happened, whatever they count. */
export function isWithdrawn(event) {
  return event.kind === "missing" && event.end !== null && event.count === 0;
}

/** Kinds that take nothing from the chart: what they tell of is stored, or was never a reading. */
const HARMLESS = new Set(["clock", "late", "out_of_order", "duplicates", "rejected"]);

/**
 * Tell whether data may be missing in the chart because of this event. A wrong clock loses nothing, and what the store
 * could not take for a while is there as soon as it could.
 */
export function meansMissing(event) {
  return !HARMLESS.has(event.kind) && !(event.kind === "store" && event.end !== null);
}

/** An event as the page holds it, from the wire's: `{id, kind, device, start, end, count, ranges, detail}`; null if it is none. */
export function eventFrom(raw) {
  if (typeof raw?.id !== "string" || raw.id === "" || !Number.isFinite(raw.start)) return null;
  return {
    id: raw.id,
    kind: String(raw.kind ?? ""),
    device: typeof raw.device === "string" ? raw.device : "",
    start: raw.start,
    end: Number.isFinite(raw.end) ? Math.max(raw.start, raw.end) : null,
    count: Number.isFinite(raw.count) ? raw.count : 0,
    ranges: Array.isArray(raw.ranges) ? raw.ranges.filter((range) => Array.isArray(range) && range.length === 2) : [],
    detail: typeof raw.detail === "string" ? raw.detail : "",
  };
}

export class EventSet {
  /** Changes whenever the events do. */
  version = 0;
  #held = new Map();
  #withdrawn = new Map();
  #stamp = 0;
  #sorted = null;

  get size() {
    return this.#held.size;
  }

  /** What to give back to `load` with the answer to a question that is asked now. */
  get stamp() {
    return this.#stamp;
  }

  /** Take a live event: it appears, grows, shrinks or is withdrawn. Returns false for nonsense. */
  apply(raw) {
    const event = eventFrom(raw);
    if (!event) return false;
    this.#stamp += 1;
    if (isWithdrawn(event)) {
      this.#held.delete(event.id);
      this.#withdrawn.set(event.id, this.#stamp);
    } else {
      this.#held.set(event.id, { event, stamp: this.#stamp });
      this.#withdrawn.delete(event.id);
    }
    this.#changed();
    return true;
  }

  /**
   * Take the answer to a question about [from, to], asked at `stamp`: it says all there is in that range. What came live
   * since the question is newer and stays. `whole`: false when the answer was cut off at its limit.
   */
  load(list, { from, to, stamp, whole = true }) {
    const events = list.map(eventFrom).filter((event) => event && !isWithdrawn(event));
    const named = new Set(events.map((event) => event.id));
    for (const [id, { event, stamp: heard }] of this.#held) {
      if (whole && heard <= stamp && !named.has(id) && overlaps(event, from, to)) this.#held.delete(id);
    }
    for (const event of events) {
      const newer = Math.max(this.#held.get(event.id)?.stamp ?? 0, this.#withdrawn.get(event.id) ?? 0);
      if (newer <= stamp) this.#held.set(event.id, { event, stamp });
    }
    for (const [id, heard] of this.#withdrawn) if (heard <= stamp) this.#withdrawn.delete(id);
    this.#changed();
  }

  #changed() {
    this.version += 1;
    this.#sorted = null;
    if (this.#held.size <= MOST) return;
    const byEnd = [...this.#held.values()].sort((a, b) => (b.event.end ?? Infinity) - (a.event.end ?? Infinity) || b.event.start - a.event.start);
    for (const { event } of byEnd.slice(MOST)) this.#held.delete(event.id);
  }

  /** All events, by their start. */
  list() {
    this.#sorted ??= [...this.#held.values()].map(({ event }) => event).sort((a, b) => a.start - b.start || (a.id < b.id ? -1 : 1));
    return this.#sorted;
  }

  /** The events that overlap [from, to] and concern one of `devices` (a Set), by their start; "" concerns all. */
  within(from, to, devices) {
    return this.list().filter((event) => overlaps(event, from, to) && (event.device === "" || devices.has(event.device)));
  }
}

function overlaps({ start, end }, from, to) {
  return start <= to && (end ?? Infinity) >= from;
}
