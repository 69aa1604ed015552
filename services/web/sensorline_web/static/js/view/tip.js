// The tooltip beside the pointer: the instant, and each line's value there with its bucket's extremes.
import { formatValue, instant } from "../format.js";
import { el } from "./dom.js";

export class Tip {
  constructor() {
    // The readout in the panel's head says the same to those who do not see it.
    this.root = el("div", { class: "tip", "aria-hidden": "true" });
    this.root.hidden = true;
  }

  hide() {
    this.root.hidden = true;
  }

  /** `entries`: [{title, point, decimals}]; `left`: the crosshair's place in the plot, `width`: the plot's (CSS pixels). */
  show(entries, { unit, now, left, width }) {
    const rows = entries.map(({ title, point, decimals }) => {
      const value = el("b", { text: formatValue(point.mean, decimals) });
      const extremes = point.n > 1
        ? el("small", { text: `min ${formatValue(point.min, decimals)}, max ${formatValue(point.max, decimals)}, n ${point.n}` })
        : "";
      return el("p", {}, entries.length > 1 ? el("span", { text: title }) : "", value, unit ? el("small", { text: unit }) : "", extremes);
    });
    this.root.replaceChildren(el("time", { text: instant(entries[0].point.t, now) }), ...rows);
    this.root.hidden = false;
    // Beside the crosshair, on the side that has room.
    const toTheLeft = left > width / 2;
    this.root.style.left = toTheLeft ? "" : `${Math.round(left + 12)}px`;
    this.root.style.right = toTheLeft ? `${Math.round(width - left + 12)}px` : "";
  }
}
