// A panel's legend: a chip for each line with its value; a press hides or shows the line.
import { dashAt, seriesColourName } from "../chart/palette.js";
import { el, setText, swatch } from "./dom.js";

/** From this many lines on the legend has a row of its own. */
const ROW_FROM = 3;

export class Legend {
  #chips = new Map();
  #shape = "";

  /** Handlers: `toggle(device)`, `only(device)`, `expand()`. */
  constructor(handlers) {
    this.handlers = handlers;
    this.root = el("ul", { class: "legend", "aria-label": "Lines" });
  }

  /** Returns whether the legend stands in its own row. */
  render(model, hidden) {
    const row = model.lines.length >= ROW_FROM || model.total > model.lines.length;
    const shape = JSON.stringify([model.total, model.lines.map((line) => [line.device, line.title, line.index])]);
    if (shape !== this.#shape) this.#rebuild(model);
    this.#shape = shape;
    this.root.classList.toggle("is-row", row);
    for (const [device, chip] of this.#chips) chip.button.setAttribute("aria-pressed", String(!hidden.has(device)));
    return row;
  }

  #rebuild(model) {
    this.#chips.clear();
    this.root.replaceChildren();
    model.lines.forEach((line, position) => {
      const value = el("span", { class: "chip-value" });
      const button = el(
        "button",
        {
          class: "chip", type: "button", title: `${line.title}: press to hide or show, double-click to see it alone`,
          on: { click: () => this.handlers.toggle(line.device), dblclick: () => this.handlers.only(line.device) },
        },
        swatch(seriesColourName(line.index).slice(2), dashAt(position)),
        el("span", { class: "chip-name", text: line.title }),
        value,
      );
      this.#chips.set(line.device, { button, value });
      this.root.append(el("li", {}, button));
    });
    if (model.total > model.lines.length) {
      const more = el("button", { class: "link", type: "button", text: `Show all ${model.total}`, on: { click: () => this.handlers.expand() } });
      this.root.append(el("li", {}, more));
    }
  }

  /** The text beside a line's name. */
  setValue(device, text) {
    const chip = this.#chips.get(device);
    if (chip) setText(chip.value, text);
  }
}
