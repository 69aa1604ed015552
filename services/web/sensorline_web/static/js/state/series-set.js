// The buffers of the series on the page, and the way history and live readings get into them.
import { SeriesBuffer } from "../series/buffer.js";
import { seriesKey } from "./panels.js";

export class SeriesSet {
  /** Key → SeriesBuffer, for every line of every panel. */
  buffers = new Map();
  /** Since when every live reading arrives here (server ms). */
  watchedAt = Infinity;

  /** Hold exactly these lines. */
  keep(lines) {
    const wanted = new Set(lines.map((line) => seriesKey(line.device, line.metric)));
    for (const key of this.buffers.keys()) if (!wanted.has(key)) this.buffers.delete(key);
    for (const key of wanted) if (!this.buffers.has(key)) this.buffers.set(key, new SeriesBuffer());
  }

  /** The lines without history yet. */
  missing(lines) {
    return lines.filter((line) => !this.get(line)?.loaded);
  }

  get(line) {
    return this.buffers.get(seriesKey(line.device, line.metric)) ?? null;
  }

  /** Take an answer's series; false if nobody wants it any more. */
  load(line, series, now) {
    const buffer = this.get(line);
    buffer?.load(series, { now, watchedAt: this.watchedAt });
    return Boolean(buffer);
  }

  /** Take one series of a live frame. */
  add(device, metric, times, values, own, at) {
    const buffer = this.buffers.get(seriesKey(device, metric));
    if (!buffer) return;
    for (let i = 0; i < times.length; i += 1) buffer.add(times[i], values[i], own, at);
  }

  /** Forget what has left the window. */
  trim(from) {
    for (const buffer of this.buffers.values()) buffer.trim(from);
  }

  get overfull() {
    return [...this.buffers.values()].some((buffer) => buffer.overfull);
  }

  /** The bucket widths in force. */
  get bucketWidths() {
    return [...this.buffers.values()].filter((buffer) => buffer.loaded).map((buffer) => buffer.bucketMs);
  }

  get held() {
    let held = 0;
    for (const buffer of this.buffers.values()) held += buffer.held;
    return held;
  }
}
