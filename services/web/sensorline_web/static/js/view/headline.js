// A panel's large number: the latest value, or from the least to the greatest when several lines are shown.
import { formatValue } from "../format.js";
import { el, setText } from "./dom.js";

export class Headline {
  constructor() {
    this.low = el("span", { class: "num" });
    this.to = el("span", { class: "to", text: "–" });
    this.high = el("span", { class: "num" });
    this.unit = el("span", { class: "unit" });
    this.root = el("p", { class: "headline" }, this.low, this.to, this.high, this.unit);
  }

  /** `metrics`: the store's entries of the visible lines; `old`: no line has recent data. */
  show(metrics, unit, old) {
    const values = metrics.map((metric) => metric.value);
    const decimals = Math.max(0, ...metrics.map((metric) => metric.decimals));
    const low = values.length > 0 ? formatValue(Math.min(...values), decimals) : "–";
    const high = values.length > 0 ? formatValue(Math.max(...values), decimals) : "–";
    const range = low !== high;
    setText(this.low, low);
    setText(this.high, range ? high : "");
    this.to.hidden = !range;
    setText(this.unit, unit ?? "");
    this.root.title = range ? "The least and the greatest of the latest values" : "The latest value";
    this.root.classList.toggle("is-range", range);
    this.root.classList.toggle("is-old", old);
  }
}
