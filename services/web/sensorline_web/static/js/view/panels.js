// The column of panels: creates, orders and removes them, knows which are in view, shares the crosshair.
import { readPalette } from "../chart/palette.js";
import { PanelView } from "./panel.js";

export class Panels {
  #views = new Map();
  #observer;
  #byElement = new WeakMap();

  /** Handlers: those of PanelView without `cursor`, and `cursorContext()` → {store, now}. */
  constructor(root, handlers) {
    this.root = root;
    this.handlers = handlers;
    this.palette = readPalette();
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "120px 0px" });
  }

  #seen(entries) {
    for (const entry of entries) {
      const view = this.#byElement.get(entry.target);
      if (view) view.visible = entry.isIntersecting;
    }
    this.handlers.changed();
  }

  /** Show exactly these panels in this order. */
  render(models) {
    const wanted = new Set(models.map((model) => model.key));
    for (const [key, view] of this.#views) {
      if (wanted.has(key)) continue;
      this.#observer.unobserve(view.root);
      view.destroy();
      this.#views.delete(key);
    }
    models.forEach((model, index) => {
      let view = this.#views.get(model.key);
      if (view) view.setModel(model);
      else view = this.#create(model);
      if (this.root.children[index] !== view.root) this.root.insertBefore(view.root, this.root.children[index] ?? null);
    });
  }

  #create(model) {
    const view = new PanelView(model, this.palette, { ...this.handlers, cursor: (cursor) => this.point(cursor) });
    this.#views.set(model.key, view);
    this.#byElement.set(view.root, view);
    this.#observer.observe(view.root);
    return view;
  }

  get views() {
    return [...this.#views.values()];
  }

  /** A line's history could not be loaded, for this reason; null: it could. */
  setError(line, message) {
    for (const { model, errors } of this.#views.values()) {
      if (!model.lines.some((other) => other.device === line.device && other.metric === line.metric)) continue;
      if (message === null) errors.delete(line.device);
      else errors.set(line.device, message);
    }
  }

  /** One instant, shown in every panel in view. */
  point(cursor) {
    const context = this.handlers.cursorContext();
    if (cursor?.panel) {
      cursor.panel.point(cursor, context);
      cursor.device = cursor.panel.reading.device ?? cursor.device ?? null;
    }
    for (const view of this.#views.values()) if (view !== cursor?.panel && view.visible) view.point(cursor, context);
  }

  /** Draw the panels in view; returns how many. */
  draw(view) {
    let drawn = 0;
    for (const panel of this.#views.values()) {
      if (!panel.visible) continue;
      panel.draw(view);
      drawn += 1;
    }
    return drawn;
  }

  /** The plots' width in CSS pixels: all are alike. */
  get plotWidth() {
    for (const view of this.#views.values()) if (view.plotWidth > 0) return view.plotWidth;
    const first = this.views[0]?.root.clientWidth ?? 0;
    return Math.max(200, (first || this.root.clientWidth) - 120);
  }

  recolour() {
    this.palette = readPalette();
    for (const view of this.#views.values()) view.recolour(this.palette);
  }
}
