// The list of devices: filtered, selectable, kept in order without rebuilding what has not changed.
import { setText } from "./dom.js";
import { Card } from "./card.js";

export class Rail {
  #cards = new Map();
  #shown = [];

  /** Handlers: `select(id, add)`, `selectAll()`. */
  constructor(root, handlers) {
    this.root = root;
    this.handlers = handlers;
    this.list = root.querySelector("#cards");
    this.count = root.querySelector("#device-count");
    this.none = root.querySelector("#rail-none");
    this.all = root.querySelector("#select-all");
    this.all.addEventListener("click", () => handlers.selectAll());
  }

  /** Show `devices` (in order) whose name, path or place contains `filter`. */
  render(devices, selected, filter, now) {
    const wanted = filter.trim().toLocaleLowerCase();
    const shown = devices.filter((device) => !wanted || haystack(device).includes(wanted));
    for (const device of shown) {
      if (!this.#cards.has(device.id)) this.#cards.set(device.id, new Card(device.id, this.handlers.select));
      this.#cards.get(device.id).update(device, selected.has(device.id), now);
    }
    this.#arrange(shown, new Set(devices.map((device) => device.id)));
    setText(this.count, wanted ? `${shown.length} of ${devices.length}` : String(devices.length));
    this.none.hidden = shown.length > 0 || devices.length === 0;
    setText(this.none, wanted ? `No device matches “${filter.trim()}”.` : "");
    this.all.hidden = selected.size === 0;
    setText(this.all, `Show all ${devices.length}`);
  }

  #arrange(shown, existing) {
    const ids = shown.map((device) => device.id);
    if (ids.length === this.#shown.length && ids.every((id, i) => id === this.#shown[i])) return;
    const focused = document.activeElement;
    this.list.replaceChildren(...ids.map((id) => this.#cards.get(id).root));
    // Moving an element takes the focus from it.
    if (focused && focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
    for (const id of this.#cards.keys()) if (!existing.has(id)) this.#cards.delete(id);
    this.#shown = ids;
  }

  /** The first device shown, for Enter in the search field. */
  get first() {
    return this.#shown[0] ?? null;
  }
}

function haystack(device) {
  return `${device.title}\n${device.id}\n${device.location ?? ""}`.toLocaleLowerCase();
}
