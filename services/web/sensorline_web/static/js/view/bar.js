// The bar: search, ranges, pause, theme, connection.
import { RANGES } from "../state/ranges.js";
import { el, setIcon, setText } from "./dom.js";

const THEMES = ["auto", "light", "dark"];
const STORED = "sensorline.theme";

export class Bar {
  #ranges = new Map();

  /** Handlers: `range(id)`, `pause()`, `theme()`, `search(text)`, `enter()` for Enter in the search field. */
  constructor(root, handlers) {
    this.search = root.querySelector("#search");
    this.pause = root.querySelector("#pause");
    this.theme = root.querySelector("#theme");
    this.pill = root.querySelector("#pill");
    this.words = root.querySelector("#pill-words");
    this.count = root.querySelector("#pill-count");
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
    this.theme.addEventListener("click", () => this.nextTheme());
    this.search.addEventListener("input", () => handlers.search(this.search.value));
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") handlers.enter();
      else if (event.key === "Escape") this.#leaveSearch(event);
    });
    this.#placeSearch(root);
    this.#showTheme();
    // In automatic mode the colours follow the system's switch.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => handlers.theme());
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

  /** `pill` from connectionPill; `count`: readings that came while paused. */
  setPill(pill, count) {
    this.pill.dataset.kind = pill.kind;
    this.pill.title = pill.detail;
    setText(this.words, pill.words);
    // Outside of the status element, so that a screen reader does not read every number.
    setText(this.count, pill.kind === "held" && count > 0 ? `· ${count} new` : "");
  }

  nextTheme() {
    const root = document.documentElement;
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(STORED, root.dataset.theme);
    } catch {
      // Without storage the choice holds until the page is left.
    }
    this.#showTheme();
    this.handlers.theme();
  }

  #showTheme() {
    const theme = document.documentElement.dataset.theme;
    setIcon(this.theme, theme);
    this.theme.setAttribute("aria-label", `Theme: ${theme}`);
    this.theme.title = `Theme: ${theme} (t)`;
  }
}
