// The latest value of each of a device's metrics.
import { ago, formatValue, instant } from "../format.js";
import { byName, metricRank, prettyMetric } from "../names.js";
import { el, setText } from "./dom.js";

export class ValuesView {
  #rows = new Map();

  constructor(page) {
    this.root = page.querySelector("#values");
    this.none = page.querySelector("#values-none");
  }

  /** `device`: the store's entry or null. */
  render(device, now, loaded) {
    const metrics = [...(device?.metrics.values() ?? [])].sort((a, b) => metricRank(a.id) - metricRank(b.id) || byName(a.id, b.id));
    this.none.hidden = metrics.length > 0;
    setText(this.none, loaded ? "No readings yet." : "Loading…");
    if (metrics.length !== this.#rows.size || metrics.some(({ id }) => !this.#rows.has(id))) this.#rebuild(metrics);
    for (const metric of metrics) {
      const row = this.#rows.get(metric.id);
      setText(row.name, metric.name || prettyMetric(metric.id));
      setText(row.value, formatValue(metric.value, metric.decimals));
      setText(row.unit, metric.unit ?? "");
      setText(row.ago, metric.time === null ? "" : ago(now - metric.time));
      row.ago.title = metric.time === null ? "" : instant(metric.time, now);
    }
  }

  #rebuild(metrics) {
    this.#rows.clear();
    this.root.replaceChildren(...metrics.map(({ id }) => {
      const row = { name: el("dt", { title: id }), value: el("span", { class: "num" }), unit: el("span", { class: "unit" }), ago: el("dd", { class: "value-ago" }) };
      this.#rows.set(id, row);
      return el("div", { class: "value-row" }, row.name, el("dd", { class: "value-now" }, row.value, " ", row.unit), row.ago);
    }));
  }
}
