// The tooltip beside the pointer: the instant, each line's value there with its bucket's extremes, and what may be missing.
import { formatValue, instant } from "../format.js";
import { el } from "./dom.js";

/** Sentences about events at one place; more are counted. */
const EVENTS = 3;

export class Tip {
  constructor() {
    // The readout in the panel's head says the same to those who do not see it.
    this.root = el("div", { class: "tip", "aria-hidden": "true" });
    this.root.hidden = true;
  }

  hide() {
    this.root.hidden = true;
  }

  /**
   * `entries`: [{title, point, decimals}]; `events`: sentences; `t`: the instant where there is no point; `left`: the
   * crosshair's place in the plot, `width`: the plot's (CSS pixels).
   */
  show(entries, { unit, now, t, events, left, width }) {
    const rows = entries.map(({ title, point, decimals }) => {
      const value = el("b", { text: formatValue(point.mean, decimals) });
      const extremes = point.n > 1
        ? el("small", { text: `min ${formatValue(point.min, decimals)}, max ${formatValue(point.max, decimals)}, n ${point.n}` })
        : "";
      return el("p", {}, entries.length > 1 ? el("span", { text: title }) : "", value, unit ? el("small", { text: unit }) : "", extremes);
    });
    const notes = events.slice(0, EVENTS);
    if (events.length > EVENTS) notes.push(`and ${events.length - EVENTS} more`);
    this.root.replaceChildren(
      el("time", { text: instant(entries[0]?.point.t ?? t, now) }), ...rows, ...notes.map((text) => el("p", { class: "tip-event", text })),
    );
    this.root.hidden = false;
    // Beside the crosshair, on the side that has room.
    const toTheLeft = left > width / 2;
    this.root.style.left = toTheLeft ? "" : `${Math.round(left + 12)}px`;
    this.root.style.right = toTheLeft ? `${Math.round(width - left + 12)}px` : "";
  }
}
