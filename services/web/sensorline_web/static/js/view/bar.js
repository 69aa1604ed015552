// The dashboard's bar: search, ranges, pause; theme and connection as on every page.
import { RANGES } from "../state/ranges.js";
import { el, setIcon, setText } from "./dom.js";
import { Pill } from "./pill.js";
import { ThemeButton } from "./theme.js";

export class Bar {
  #ranges = new Map();

  /** Handlers: `range(id)`, `pause()`, `theme()`, `search(text)`, `enter()` for Enter in the search field. */
  constructor(root, handlers) {
    this.search = root.querySelector("#search");
    this.pause = root.querySelector("#pause");
    this.theme = new ThemeButton(root.querySelector("#theme"), () => handlers.theme());
    this.pill = new Pill(root);
    this.handlers = handlers;
    for (const range of RANGES) {
      const button = el("button", {
        class: "range", type: "button", text: range.label, "aria-label": `Last ${range.words}`, "aria-pressed": "false",
        on: { click: () => handlers.range(range.id) },
      });
      this.#ranges.set(range.id, button);
    }
    root.querySelector("#ranges").append(...this.#ranges.values());
    this.pause.addEventListener("click", () => handlers.pause());
    this.search.addEventListener("input", () => handlers.search(this.search.value));
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") handlers.enter();
      else if (event.key === "Escape") this.#leaveSearch(event);
    });
    this.#placeSearch(root);
  }

  /** On narrow screens the search stands above the devices, so that the bar stays low. */
  #placeSearch(root) {
    const narrow = matchMedia("(max-width: 860px)");
    const label = this.search.closest("label");
    const brand = root.querySelector(".brand");
    const place = () => (narrow.matches ? root.querySelector("#cards").before(label) : brand.after(label));
    narrow.addEventListener("change", place);
    place();
  }

  #leaveSearch(event) {
    event.stopPropagation();
    this.clearSearch();
    this.search.blur();
  }

  clearSearch() {
    this.search.value = "";
    this.handlers.search("");
  }

  setRange(id) {
    for (const [key, button] of this.#ranges) button.setAttribute("aria-pressed", String(key === id));
  }

  setPaused(paused) {
    setText(this.pause.querySelector(".button-text"), paused ? "Resume" : "Pause");
    setIcon(this.pause, paused ? "play" : "pause");
    this.pause.setAttribute("aria-label", paused ? "Resume live" : "Pause live");
    this.pause.setAttribute("aria-pressed", String(paused));
    this.pause.title = paused ? "Resume live (l)" : "Pause live (l)";
  }
}
