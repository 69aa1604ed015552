// One panel: head, chart, faces. Draws itself when told, from what the dashboard holds.
import { eventsOf } from "../chart/marks.js";
import { PanelChart } from "../chart/panel-chart.js";
import { Scene } from "../chart/scene.js";
import { formatValue, shortClock, span } from "../format.js";
import { shortPeriod, shortWords } from "../state/event-words.js";
import { seriesKey } from "../state/panels.js";
import { el, setText } from "./dom.js";
import { emptyFace, errorFace, loadingFace } from "./faces.js";
import { Headline } from "./headline.js";
import { Legend } from "./legend.js";
import { MarkButton } from "./mark-button.js";
import { followPointer } from "./pointer.js";
import { Reading } from "./reading.js";

let serial = 0;

/** Silence is worth a word from here on (ms), as in the rail. */
const SILENCE_MS = 10_000;

/** A chart's description names so many events, the newest. */
const LOST_MOST = 5;

export class PanelView {
  visible = false;
  hidden = new Set();
  /** Device → why its line's history could not be loaded. */
  errors = new Map();
  scene = new Scene();
  #chart = null;
  #faceKey = "";
  #window = { from: 0, to: 0 };
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
    this.markButton = new MarkButton({ show: (event) => this.#pointAt(event), leave: () => handlers.cursor(null) });
    this.reading = new Reading(this);
    this.canvas = el("canvas", { role: "img", "aria-labelledby": titleId });
    this.plot = el("div", { class: "plot", tabindex: "0", role: "group", "aria-labelledby": titleId, "aria-description": "Left and right arrow keys read the values" },
      el("div", { class: "plot-canvas" }, this.canvas), this.reading.tip.root);
    this.root = el("section", { class: "panel", "aria-labelledby": titleId },
      el("header", { class: "panel-head" }, el("div", { class: "panel-title" }, this.title, this.headline.root), this.markButton.root, this.notice, this.reading.root, this.legend.root),
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

  /** Draw the window. `view`: {from, to, pixel, now, buffers, store, events, past, rangeWords, loading}. */
  draw(view) {
    const picture = this.scene.compose({ model: this.model, hidden: this.hidden, ...view });
    this.#window = view;
    const loaded = this.model.lines.some(({ device, metric }) => view.buffers.get(seriesKey(device, metric))?.loaded);
    this.root.classList.toggle("is-loading", view.loading);
    if (picture.count === 0 && this.error) this.#setFace(`error:${this.error}`, () => errorFace({ reason: this.error, onRetry: this.handlers.retry }));
    else if (picture.count === 0 && !loaded) this.#setFace("loading", loadingFace);
    else if (picture.count === 0) this.#showEmpty(view);
    else this.#setFace("data", null);
    this.headline.show(view.past ? this.#lastInView(view.store) : this.#visibleMetrics(view.store), this.model.unit, this.#silence(picture, view.now, view.store) !== null);
    this.#showNotice(picture, view.now, view.store);
    if (picture.count > 0) {
      this.#chart ??= new PanelChart(this.canvas, this.palette);
      this.#chart.draw(picture);
    }
    this.markButton.render(picture.count > 0 ? eventsOf(picture.marks.filter((mark) => mark.lost)) : []);
    this.#showValues(view.store);
    this.#describe(picture, view);
    if (this.reading.cursor) this.point(this.reading.cursor, view);
  }

  #visibleMetrics(store) {
    return this.model.lines
      .filter((line) => !this.hidden.has(line.device))
      .map((line) => store.metric(line.device, line.metric))
      .filter((metric) => metric && metric.value !== null);
  }

  /** In the past, what the visible lines end with stands for the latest values. */
  #lastInView(store) {
    return this.scene.lines
      .filter((line) => !line.hidden && line.last)
      .map(({ device, last }) => ({ value: last.value, decimals: store.metric(device, this.model.metric)?.decimals ?? 1 }));
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
    const lost = eventsOf(picture.marks.filter((mark) => mark.lost)).slice(-LOST_MOST).map((event) => `${shortWords(event)} ${shortPeriod(event)}`);
    const missing = lost.length > 0 ? ` Data may be missing: ${lost.join(", ")}.` : "";
    this.canvas.setAttribute("aria-label", `${this.model.title}${unit} over the ${rangeWords}. Latest: ${lines.join(", ") || "none"}.${missing}`);
    this.canvas.removeAttribute("aria-labelledby");
  }

  /** Show the crosshair of `cursor` = {panel, t, value, device, event}, or take it away with null. */
  point(cursor, context) {
    const found = this.reading.show(cursor, this.#chart, context);
    this.#showValues(context.store, cursor ? found : null);
  }

  /** Point at an event that a press on the mark button asked for. */
  #pointAt(event) {
    this.reading.speak();
    const { from, to } = this.#window;
    const t = (Math.max(event.start, from) + Math.min(event.end ?? to, to)) / 2;
    this.handlers.cursor({ panel: this, t, value: null, device: event.device, event });
  }

  /** A device's name, where the panel does not say it already; "" for all devices. */
  titleOf(device) {
    return this.model.lines.length > 1 ? this.model.lines.find((line) => line.device === device)?.title ?? "" : "";
  }

  #showValues(store, found = this.reading.cursor ? this.scene.at(this.reading.cursor.t) : null) {
    const one = this.model.lines.length === 1;
    for (const line of this.model.lines) {
      const metric = store.metric(line.device, line.metric);
      const newest = this.#window.past ? this.scene.lines.find((entry) => entry.device === line.device)?.last?.value : metric?.value;
      const value = found ? found.find((entry) => entry.device === line.device)?.point.mean ?? null : newest ?? null;
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
