// One series as the page holds it: the history as last loaded, with the live readings since. Bounded.
import { foldReading } from "./buckets.js";
import { copyColumns, dropFirst, emptyColumns, insertPoint, lowerBound, pointAt } from "./columns.js";
import { holds, mergeRaw, SAME_MS, TWIN_WINDOW_MS } from "./merge.js";

/** How far the two received times of one reading usually are apart (ms). */
const CLOCKS_MS = 40;

/** A frame may reach the page this much later than the store's answer that has its readings (ms). */
const LATE_MS = 1_000;

/** Live readings kept for the next merge. More than a history request's time ever brings. */
const RECENT_MOST = 1_000;

export class SeriesBuffer {
  /** Changes whenever the points do. */
  version = 0;
  /** 0: raw readings; else the width of a bucket in ms. */
  bucketMs = 0;
  loaded = false;
  #columns = emptyColumns();
  #recent = [];
  #history = null;
  #merge = { watchedAt: Infinity, now: -Infinity };
  #stored = { last: -Infinity, now: -Infinity };

  /** `mostPoints`: the buffer asks for fresh, coarser history when it holds more. */
  constructor(mostPoints = 4_000) {
    this.mostPoints = mostPoints;
  }

  get columns() {
    return this.#columns;
  }

  /** True when live readings outgrew what a chart can show: time to load history again. */
  get overfull() {
    return this.#columns.t.length >= this.mostPoints;
  }

  /** How many points and readings are held, for those who watch over memory. */
  get held() {
    return this.#columns.t.length + this.#recent.length;
  }

  /**
   * Take an answer of the series endpoint; what came live meanwhile is merged in.
   *
   * `now`: the server's time of the answer; `watchedAt`: since when every live reading arrived here (server ms).
   */
  load(answer, { now, watchedAt }) {
    this.bucketMs = answer.bucket_ms;
    this.loaded = true;
    this.#merge = { watchedAt, now };
    if (this.bucketMs > 0) this.#loadBuckets(answer, now);
    else this.#loadRaw(answer);
    this.version += 1;
  }

  #loadRaw(answer) {
    this.#history = copyColumns(answer);
    const { columns, unmatched } = mergeRaw(this.#history, this.#recent, this.#merge);
    this.#columns = columns;
    // What history does not have is kept: while the store is down, the page is the only place that shows it. Paired
    // readings are kept while more may come that could otherwise take the same history point for their twin.
    const missing = new Set(unmatched);
    const settled = this.#merge.now - 2 * TWIN_WINDOW_MS;
    this.#recent = this.#recent.filter((reading) => missing.has(reading) || reading.t > settled);
  }

  #loadBuckets(answer, now) {
    this.#history = null;
    this.#columns = copyColumns(answer);
    this.#stored = { last: answer.last ?? -Infinity, now };
    this.#recent = this.#recent.filter((reading) => !this.#isInBuckets(reading));
    for (const { t, v } of this.#recent) foldReading(this.#columns, this.bucketMs, t, v);
  }

  /**
   * Tell whether loaded buckets count a live reading already: it is not newer than the newest stored one.
   *
   * A reading without a time of its own has the web service's received time here and ingest's in the store. Late data that
   * arrives well after the answer cannot be in it.
   */
  #isInBuckets({ t, own, at }) {
    const { last, now } = this.#stored;
    return t <= last + (own ? SAME_MS : CLOCKS_MS) && at <= now + LATE_MS;
  }

  /** Add a live reading. `own`: the time is the sensor's; `at`: when the web service sent it (server ms). */
  add(t, v, own, at) {
    if (!Number.isFinite(t) || !Number.isFinite(v)) return;
    const reading = { t, v, own: Boolean(own), at };
    if (this.bucketMs > 0 && this.loaded) {
      if (this.#isInBuckets(reading)) return;
      this.#remember(reading);
      foldReading(this.#columns, this.bucketMs, t, v);
    } else if (!this.#addRaw(reading)) return;
    if (this.#columns.t.length > this.mostPoints) dropFirst(this.#columns, this.#columns.t.length - this.mostPoints);
    this.version += 1;
  }

  #addRaw(reading) {
    if (holds(this.#columns, reading.t, reading.v)) return false;
    this.#remember(reading);
    if (!reading.own && this.#history && reading.t <= this.#merge.now + TWIN_WINDOW_MS) {
      // History may hold this very reading under the store's received time: pair them all again.
      this.#columns = mergeRaw(this.#history, this.#recent, this.#merge).columns;
      return true;
    }
    const { t, v } = reading;
    insertPoint(this.#columns, lowerBound(this.#columns.t, t + 0.000_5), t, v, v, v, 1);
    return true;
  }

  #remember(reading) {
    this.#recent.push(reading);
    if (this.#recent.length > RECENT_MOST) this.#recent.splice(0, RECENT_MOST / 10);
  }

  /** Forget what lies before `from`, except one point, from which the line enters the window. */
  trim(from) {
    const before = lowerBound(this.#columns.t, from) - 1;
    // In lots: dropping one point at a time would move the arrays with every frame.
    if (before >= 32) {
      dropFirst(this.#columns, before);
      this.version += 1;
    }
    const old = this.#recent.findIndex((reading) => reading.t >= from);
    if (old > 32) this.#recent.splice(0, old);
    if (this.#history && this.#merge.now + 2 * TWIN_WINDOW_MS < from) this.#history = null;
  }

  /** The points at or after `from`, as objects. */
  points(from = -Infinity) {
    const points = [];
    for (let i = lowerBound(this.#columns.t, from); i < this.#columns.t.length; i += 1) points.push(pointAt(this.#columns, i));
    return points;
  }
}
