// One device in the rail: status, when it was last heard, latest values. Updated in place.
import { ago, clock, formatValue, instant } from "../format.js";
import { byName, metricRank, prettyMetric } from "../names.js";
import { deviceAddress } from "../state/address.js";
import { statusOf, STATUS_WORDS } from "../state/status.js";
import { el, icon, setText } from "./dom.js";

const count = new Intl.NumberFormat("en");

const VALUES = 4;
const VALUES_SELECTED = 12;
/** A value flashes only if it had been still for this long: at ten readings a second it would flicker. */
const STILL_MS = 3_000;

export class Card {
  #rows = new Map();
  #shape = "";

  constructor(id, onSelect) {
    this.id = id;
    this.dot = el("span", { class: "dot", "aria-hidden": "true" });
    this.name = el("span", { class: "card-name" });
    this.ago = el("span", { class: "card-ago" });
    this.status = el("span", { class: "card-status" });
    this.missing = el("span", { class: "card-missing" });
    this.place = el("span", { class: "card-place" });
    this.values = el("span", { class: "card-values" });
    this.button = el(
      "button",
      { class: "card", type: "button", "aria-pressed": "false", on: { click: (event) => onSelect(id, event.shiftKey || event.ctrlKey || event.metaKey) } },
      el("span", { class: "card-head" }, this.dot, this.name, this.ago),
      el("span", { class: "card-facts" }, this.status, this.missing, this.place),
      this.values,
    );
    this.link = el("a", { class: "card-link", href: deviceAddress(document.body.dataset.root, id), title: "This device’s page" }, icon("next"));
    this.root = el("li", {}, this.button, this.link);
  }

  /** Bring the card up to date with its device. */
  update(device, selected, now) {
    const status = statusOf(device, now);
    setText(this.name, device.title);
    this.button.title = device.title === device.id ? device.id : `${device.title} (${device.id})`;
    this.button.setAttribute("aria-pressed", String(selected));
    if (this.dot.dataset.status !== status) {
      this.dot.dataset.status = status;
      this.status.dataset.status = status;
      this.button.classList.toggle("is-quiet", status !== "online");
    }
    const since = status === "offline" && device.statusAt ? ` since ${instant(device.statusAt, now).replace(/:\d\d$/, "")}` : "";
    setText(this.status, STATUS_WORDS.get(status) + since);
    const missing = device.account?.missing ?? 0;
    setText(this.missing, missing > 0 ? `· ${count.format(missing)} missing` : "");
    const label = `About ${device.title}${missing > 0 ? `: ${missing} missing` : ""}`;
    if (this.link.getAttribute("aria-label") !== label) this.link.setAttribute("aria-label", label);
    const facts = [device.location, device.simulated ? "simulated" : null].filter(Boolean);
    setText(this.place, facts.length > 0 ? `· ${facts.join(" · ")}` : "");
    setText(this.ago, device.lastSeen === null ? "never seen" : ago(now - device.lastSeen));
    if (device.lastSeen !== null) this.ago.title = `Last seen ${clock(device.lastSeen)}`;
    this.#updateValues(device, selected);
  }

  #updateValues(device, selected) {
    const most = selected ? VALUES_SELECTED : VALUES;
    const shape = `${device.metrics.size}/${most}`;
    if (shape !== this.#shape) this.#rebuild(device, most);
    this.#shape = shape;
    for (const [id, row] of this.#rows) {
      const metric = device.metrics.get(id);
      if (!metric) continue;
      setText(row.name, metric.name || prettyMetric(id));
      setText(row.unit, metric.unit ?? "");
      const text = formatValue(metric.value, metric.decimals);
      if (row.value.textContent === text) continue;
      const still = performance.now() - row.changed > STILL_MS;
      row.changed = performance.now();
      row.value.textContent = text;
      if (still) this.#flash(row.value);
    }
  }

  #flash(element) {
    element.classList.remove("is-new");
    requestAnimationFrame(() => element.classList.add("is-new"));
  }

  #rebuild(device, most) {
    const metrics = [...device.metrics.values()].sort((a, b) => metricRank(a.id) - metricRank(b.id) || byName(a.id, b.id));
    const shown = metrics.length <= most + 1 ? metrics : metrics.slice(0, most);
    this.#rows.clear();
    this.values.replaceChildren();
    for (const metric of shown) {
      const row = {
        name: el("span", { class: "card-metric" }),
        value: el("span", { class: "card-value" }),
        unit: el("span", { class: "card-unit" }),
        changed: performance.now(),
      };
      this.#rows.set(metric.id, row);
      this.values.append(row.name, row.value, row.unit);
    }
    if (shown.length < metrics.length) this.values.append(el("span", { class: "card-more", text: `${metrics.length - shown.length} more` }));
  }
}
