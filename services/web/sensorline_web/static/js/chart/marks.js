// Where events stand on a chart: the spans to hatch, and marks that stay visible however far the chart is zoomed out.
import { meansMissing } from "../state/events.js";

/** A mark is never narrower than this, and marks nearer than that become one (CSS pixels). */
const NARROWEST_PX = 7;
const APART_PX = 3;

/**
 * For events in order of their start, in the window [from, to] with `pixel` milliseconds a CSS pixel, return
 * `{hatches: [[from, to], …], marks: [{from, to, events}, …]}`, both in order and apart from each other.
 */
export function placeMarks(events, { from, to, pixel }) {
  const hatches = [];
  const marks = [];
  for (const event of events) {
    const [left, right] = extent(event, { from, to, pixel });
    if (meansMissing(event)) {
      const before = hatches.at(-1);
      if (before && left <= before[1]) before[1] = Math.max(before[1], right);
      else hatches.push([left, right]);
    }
    const mark = marks.at(-1);
    if (mark && left - mark.to < APART_PX * pixel) {
      mark.to = Math.max(mark.to, right);
      mark.events.push(event);
    } else marks.push({ from: left, to: right, events: [event] });
  }
  return { hatches, marks };
}

/** The events at an instant, as wide as they are drawn. */
export function eventsAt(marks, t, window) {
  const mark = marks.find((candidate) => t >= candidate.from && t <= candidate.to);
  if (!mark) return [];
  return mark.events.filter((event) => {
    const [left, right] = extent(event, window);
    return t >= left && t <= right;
  });
}

/** An event's span in the window, widened to what can be seen. */
function extent({ start, end }, { from, to, pixel }) {
  const left = Math.max(start, from);
  const right = Math.min(end ?? to, to);
  const lack = NARROWEST_PX * pixel - (right - left);
  if (lack <= 0) return [left, right];
  return [Math.max(from, left - lack / 2), Math.min(to, right + lack / 2)];
}
