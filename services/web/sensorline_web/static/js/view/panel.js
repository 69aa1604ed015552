// One panel: head, chart, faces. Draws itself when told, from what the dashboard holds.
import { PanelChart } from "../chart/panel-chart.js";
import { Scene } from "../chart/scene.js";
import { formatValue, readout, shortClock, span } from "../format.js";
import { seriesKey } from "../state/panels.js";
import { el, setText } from "./dom.js";
import { emptyFace, errorFace, loadingFace } from "./faces.js";
import { Headline } from "./headline.js";
import { Legend } from "./legend.js";
import { followPointer } from "./pointer.js";
import { Tip } from "./tip.js";

let serial = 0;

/** Silence is worth a word from here on (ms), as in the rail. */
const SILENCE_MS = 10_000;

export class PanelView {
  visible = false;
  hidden = new Set();
  /** Device → why its line's history could not be loaded. */
  errors = new Map();
  scene = new Scene();
  #chart = null;
  #faceKey = "";
  #cursor = null;
  #described = 0;

  /** Handlers: `cursor({panel, t, value, device} | null)`, `changed()`, `expand(key)`, `retry()`, `range(id)`. */
  constructor(model, palette, handlers) {
    this.palette = palette;
    this.handlers = handlers;
    this.headline = new Headline();
    this.legend = new Legend({
      toggle: (device) => this.#toggle(device),
      only: (device) => this.#only(device),
      expand: () => handlers.expand(this.model.key),
    });
    const titleId = `panel-${(serial += 1)}`;
    this.title = el("h2", { id: titleId });
    this.notice = el("p", { class: "notice" });
    this.readout = el("output", { class: "readout", "aria-live": "off" });
    this.canvas = el("canvas", { role: "img", "aria-labelledby": titleId });
    this.tip = new Tip();
    this.plot = el("div", { class: "plot", tabindex: "0", role: "group", "aria-labelledby": titleId, "aria-description": "Left and right arrow keys read the values" },
      el("div", { class: "plot-canvas" }, this.canvas), this.tip.root);
    this.root = el("section", { class: "panel", "aria-labelledby": titleId },
      el("header", { class: "panel-head" }, el("div", { class: "panel-title" }, this.title, this.headline.root), this.notice, this.readout, this.legend.root),
      this.plot);
    followPointer(this);
    this.setModel(model);
    this.#setFace("loading", loadingFace);
  }

  setModel(model) {
    this.model = model;
    setText(this.title, model.title);
    this.title.title = model.metric === model.title ? model.title : `${model.title} (${model.metric})`;
    this.root.dataset.metric = model.metric;
    const devices = new Set(model.lines.map((line) => line.device));
    for (const device of this.hidden) if (!devices.has(device)) this.hidden.delete(device);
    for (const device of this.errors.keys()) if (!devices.has(device)) this.errors.delete(device);
    this.root.classList.toggle("has-row", this.legend.render(model, this.hidden));
  }

  #toggle(device) {
    if (!this.hidden.delete(device)) this.hidden.add(device);
    this.legend.render(this.model, this.hidden);
    this.handlers.changed();
  }

  #only(device) {
    const others = this.model.lines.map((line) => line.device).filter((other) => other !== device);
    this.hidden = new Set(others.every((other) => this.hidden.has(other)) ? [] : others);
    this.legend.render(this.model, this.hidden);
    this.handlers.changed();
  }

  get plotWidth() {
    return this.#chart?.plotWidth || 0;
  }

  get error() {
    return this.errors.values().next().value ?? null;
  }

  get face() {
    return this.root.dataset.face;
  }

  /** Draw the window. `view`: {from, to, now, buffers, store, rangeWords, loading}. */
  draw(view) {
    const picture = this.scene.compose({ model: this.model, hidden: this.hidden, ...view });
    const loaded = this.model.lines.some(({ device, metric }) => view.buffers.get(seriesKey(device, metric))?.loaded);
    this.root.classList.toggle("is-loading", view.loading);
    if (picture.count === 0 && this.error) this.#setFace(`error:${this.error}`, () => errorFace({ reason: this.error, onRetry: this.handlers.retry }));
    else if (picture.count === 0 && !loaded) this.#setFace("loading", loadingFace);
    else if (picture.count === 0) this.#showEmpty(view);
    else this.#setFace("data", null);
    this.headline.show(this.#visibleMetrics(view.store), this.model.unit, this.#silence(picture, view.now, view.store) !== null);
    this.#showNotice(picture, view.now, view.store);
    if (picture.count > 0) {
      this.#chart ??= new PanelChart(this.canvas, this.palette);
      this.#chart.draw(picture);
    }
    this.#showValues(view.store);
    this.#describe(picture, view);
    if (this.#cursor) this.point(this.#cursor, view);
  }

  #visibleMetrics(store) {
    return this.model.lines
      .filter((line) => !this.hidden.has(line.device))
      .map((line) => store.metric(line.device, line.metric))
      .filter((metric) => metric && metric.value !== null);
  }

  /** Since when no visible line has data, or null while one has. */
  #silence(picture, now, store) {
    let last = -Infinity;
    for (const line of picture.lines) {
      if (line.hidden || !line.last) continue;
      // The newest reading itself: a bucket's start may be hours before it.
      const newest = Math.max(line.last.t, store.metric(line.device, this.model.metric)?.time ?? -Infinity);
      if (picture.to - newest <= Math.max(line.threshold, SILENCE_MS)) return null;
      last = Math.max(last, newest);
    }
    return last > -Infinity && picture.to <= now + 1_000 ? last : null;
  }

  #showNotice(picture, now, store) {
    const silence = this.#silence(picture, picture.to, store);
    if (this.error && picture.count > 0) setText(this.notice, `History unavailable: ${this.error}`);
    else if (silence !== null) setText(this.notice, `No data since ${shortClock(silence)} (${span(now - silence)})`);
    else setText(this.notice, "");
    this.notice.title = this.notice.textContent;
  }

  #showEmpty({ store, now, rangeWords }) {
    const latest = this.#visibleMetrics(store).reduce((best, metric) => (best && best.time >= metric.time ? best : metric), null);
    const key = `empty:${rangeWords}:${latest?.time}:${latest ? span(now - latest.time) : ""}`;
    this.#setFace(key, () => emptyFace({ rangeWords, latest, unit: this.model.unit, now, onRange: this.handlers.range }));
  }

  #setFace(key, build) {
    if (key === this.#faceKey) return;
    this.#faceKey = key;
    this.root.dataset.face = key.split(":")[0];
    this.plot.querySelector(".face")?.remove();
    if (build) this.plot.append(build());
  }

  /** A chart is a picture: its words, renewed now and then. */
  #describe(picture, { rangeWords, now }) {
    if (now - this.#described < 10_000 && now >= this.#described) return;
    this.#described = now;
    const lines = picture.lines.filter((line) => !line.hidden && line.last).map((line) => `${line.title} ${line.last.text}`);
    const unit = this.model.unit ? ` in ${this.model.unit}` : "";
    this.canvas.setAttribute("aria-label", `${this.model.title}${unit} over the last ${rangeWords}. Latest: ${lines.join(", ") || "none"}.`);
    this.canvas.removeAttribute("aria-labelledby");
  }

  /** Show the crosshair of `cursor` = {panel, t, value, device}, or take it away with null. */
  point(cursor, { store, now }) {
    this.#cursor = cursor;
    const found = cursor && this.face === "data" ? this.scene.at(cursor.t) : [];
    this.root.classList.toggle("is-reading", found.length > 0);
    this.#chart?.point(cursor && { t: cursor.t, dots: found.map(({ dataset, point }) => ({ dataset, t: point.t, value: point.mean })) });
    this.readout.replaceChildren();
    if (found.length > 0) this.#write(this.#chosen(found, cursor), found.length, store, now);
    this.#showValues(store, cursor ? found : null);
    if (found.length > 0 && cursor.panel === this) this.#showTip(found, cursor, store, now);
    else this.tip.hide();
  }

  #showTip(found, cursor, store, now) {
    const entries = found.map(({ device, title, point }) => ({ title, point, decimals: store.metric(device, this.model.metric)?.decimals ?? 1 }));
    this.tip.show(entries, { unit: this.model.unit, now, left: this.#chart.pixelOf(cursor.t), width: this.plot.clientWidth });
  }

  /** The line that the readout is about: the one nearest to the pointer, elsewhere the same device's, else the first. */
  #chosen(found, cursor) {
    if (cursor.panel !== this || cursor.value === null) return found.find((entry) => entry.device === cursor.device) ?? found[0];
    return found.reduce((best, entry) => (Math.abs(entry.point.mean - cursor.value) < Math.abs(best.point.mean - cursor.value) ? entry : best));
  }

  #write({ device, title, point }, lines, store, now) {
    const decimals = store.metric(device, this.model.metric)?.decimals ?? 1;
    const text = readout(point, { unit: this.model.unit, decimals, now });
    const [value, rest] = text.split(" @ ");
    this.readout.append(lines > 1 ? `${title} ` : "", el("b", { text: value }), ` @ ${rest}`);
    this.pointedDevice = device;
  }

  #showValues(store, found = this.#cursor ? this.scene.at(this.#cursor.t) : null) {
    const one = this.model.lines.length === 1;
    for (const line of this.model.lines) {
      const metric = store.metric(line.device, line.metric);
      const value = found ? found.find((entry) => entry.device === line.device)?.point.mean ?? null : metric?.value ?? null;
      this.legend.setValue(line.device, one ? "" : formatValue(value, metric?.decimals ?? 1));
    }
  }

  /** The instant and value at a position of the pointer, relative to the plot. */
  locate(left, top) {
    return this.face === "data" ? this.#chart?.at(left, top) ?? null : null;
  }

  recolour(palette) {
    this.palette = palette;
    this.#chart?.recolour(palette);
  }

  destroy() {
    this.#chart?.destroy();
    this.root.remove();
  }
}
