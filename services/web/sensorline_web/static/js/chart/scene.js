// What one panel's chart shows: from the buffers of its lines to lines, gaps, value range. Knows no DOM and no Chart.js.
import { shortValue } from "../format.js";
import { nearest, pointAt } from "../series/columns.js";
import { commonSpans, findGaps, gapThreshold } from "../series/gaps.js";
import { valueRange } from "../series/yrange.js";
import { seriesKey } from "../state/panels.js";
import { isBinary, lineData } from "./line-data.js";
import { eventsAt, placeMarks } from "./marks.js";

/** The pointer means a point that is at most this part of the window away. */
const NEAR = 0.03;

export class Scene {
  lines = [];
  /** Where events stand, as placeMarks has it. */
  marks = [];
  #window = { from: 0, to: 0, pixel: 0 };
  #range = null;
  #fitted = "";
  #spanMs = 0;

  /**
   * Compose the picture for the window [from, to] with `pixel` milliseconds a CSS pixel. `hidden`: a Set of devices;
   * `events`: an EventSet. Returns `{lines, gaps, hatches, marks, range, from, to, count}`, where `count` is the number of
   * points in the window.
   */
  compose({ model, buffers, store, events, hidden, from, to, pixel }) {
    const gapLists = [];
    let [low, high, count] = [Infinity, -Infinity, 0];
    this.lines = [];
    this.#spanMs = to - from;
    model.lines.forEach((line, position) => {
      const buffer = buffers.get(seriesKey(line.device, line.metric));
      if (!buffer) return;
      const facts = store.get(line.device);
      const threshold = gapThreshold(buffer.columns.t, { intervalMs: facts?.intervalMs ?? null, bucketMs: buffer.bucketMs });
      const data = lineData(buffer.columns, from, to, threshold);
      const isHidden = hidden.has(line.device);
      const inWindow = Number.isFinite(data.low);
      if (inWindow) count += data.points.length;
      if (!isHidden && inWindow) {
        low = Math.min(low, data.low);
        high = Math.max(high, data.high);
        gapLists.push(findGaps(buffer.columns.t, threshold, to));
      }
      this.lines.push({
        key: seriesKey(line.device, line.metric),
        device: line.device, title: line.title, index: line.index, position, hidden: isHidden, threshold,
        columns: buffer.columns, points: data.points, stretches: data.stretches,
        loaded: buffer.loaded, banded: buffer.bucketMs > 0, binary: isBinary(buffer.columns),
        last: lastReading(store.metric(line.device, line.metric), buffer, from, to),
      });
    });
    this.#fit(low, high, model, to - from);
    this.#window = { from, to, pixel };
    const shown = new Set(model.lines.map((line) => line.device).filter((device) => !hidden.has(device)));
    const { hatches, marks } = placeMarks(events.within(from, to, shown), this.#window);
    this.marks = marks;
    return { lines: this.lines, hatches, marks, gaps: commonSpans(gapLists), range: this.#range, from, to, count };
  }

  /** The value axis stays where it is while the data fit; another span of time, other lines or their history begin anew. */
  #fit(low, high, model, spanMs) {
    const fitted = JSON.stringify([spanMs, this.lines.map((line) => [line.key, line.hidden, line.loaded])]);
    const previous = fitted === this.#fitted ? this.#range : null;
    this.#fitted = fitted;
    this.#range = valueRange(low, high, {
      previous, unit: model.unit, binary: this.lines.length > 0 && this.lines.every((line) => line.binary),
    });
  }

  /** Each visible line's point at the instant `t`: `[{dataset, device, title, point}]`. None within a gap. */
  at(t) {
    const found = [];
    this.lines.forEach((line, dataset) => {
      if (line.hidden) return;
      const index = nearest(line.columns.t, t);
      const near = Math.min(Math.max(line.threshold / 2, 2_000), this.#spanMs * NEAR);
      if (index < 0 || Math.abs(line.columns.t[index] - t) > near) return;
      found.push({ dataset, device: line.device, title: line.title, point: pointAt(line.columns, index) });
    });
    return found;
  }

  /** The events at the instant `t`, as wide as they are drawn. */
  eventsAt(t) {
    return eventsAt(this.marks, t, this.#window);
  }

  /** The instants of the visible lines' points nearest to `t`, `steps` points away: for the arrow keys. */
  stepFrom(t, steps) {
    const line = this.lines.find((candidate) => !candidate.hidden && candidate.columns.t.length > 0);
    if (!line) return t;
    const { t: times } = line.columns;
    return times[Math.min(times.length - 1, Math.max(0, nearest(times, t) + steps))];
  }
}

/** The newest reading, as the dot at the line's end: the reading itself, not its bucket's mean. */
function lastReading(metric, buffer, from, to) {
  const { t, mean } = buffer.columns;
  if (t.length === 0 || t.at(-1) < from) return null;
  const decimals = metric?.decimals ?? 1;
  const newest = metric?.time >= t.at(-1) && metric.time <= to ? { t: metric.time, value: metric.value } : { t: t.at(-1), value: mean.at(-1) };
  return { ...newest, t: Math.min(newest.t, to), text: shortValue(newest.value, decimals) };
}
