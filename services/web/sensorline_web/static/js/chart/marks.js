// Where events stand on a chart: the spans to hatch, and marks that stay visible however far the chart is zoomed out.
import { meansMissing } from "../state/events.js";

/** A mark is never narrower than this, and marks nearer than that become one (CSS pixels). */
const NARROWEST_PX = 7;
const APART_PX = 3;

/**
 * For events in order of their start, in the window [from, to] with `pixel` milliseconds a CSS pixel, return
 * `{hatches: [[from, to], …], marks: [{from, to, lost, events}, …]}`. `lost` tells marks where data may be missing from
 * those of which that is not said; each kind of mark is apart from others of its kind.
 */
export function placeMarks(events, window) {
  const lost = groupNear(events.filter(meansMissing), window);
  const other = groupNear(events.filter((event) => !meansMissing(event)), window);
  return {
    hatches: lost.map(({ from, to }) => [from, to]),
    marks: [...other.map((mark) => ({ ...mark, lost: false })), ...lost.map((mark) => ({ ...mark, lost: true }))],
  };
}

function groupNear(events, window) {
  const groups = [];
  for (const event of events) {
    const [left, right] = extent(event, window);
    const before = groups.at(-1);
    if (before && left - before.to < APART_PX * window.pixel) {
      before.to = Math.max(before.to, right);
      before.events.push(event);
    } else groups.push({ from: left, to: right, events: [event] });
  }
  return groups;
}

/** The events at an instant, as wide as they are drawn; first those because of which data may be missing. */
export function eventsAt(marks, t, window) {
  const near = marks.filter((mark) => t >= mark.from && t <= mark.to).sort((a, b) => b.lost - a.lost);
  return near.flatMap((mark) => mark.events).filter((event) => {
    const [left, right] = extent(event, window);
    return t >= left && t <= right;
  });
}

/** The events of all marks, by their start. */
export function eventsOf(marks) {
  return marks.flatMap((mark) => mark.events).sort((a, b) => a.start - b.start);
}

/** An event's span in the window, widened to what can be seen. */
function extent({ start, end }, { from, to, pixel }) {
  const left = Math.max(start, from);
  const right = Math.min(end ?? to, to);
  const lack = NARROWEST_PX * pixel - (right - left);
  if (lack <= 0) return [left, right];
  return [Math.max(from, left - lack / 2), Math.min(to, right + lack / 2)];
}
