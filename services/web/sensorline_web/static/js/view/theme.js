// The theme button: the system's, light, or dark. Remembered for the next visit.
import { setIcon } from "./dom.js";

const THEMES = ["auto", "light", "dark"];
const STORED = "sensorline.theme";

export class ThemeButton {
  /** `onChange()` is called when the page has other colours, also because the system's changed. */
  constructor(button, onChange = () => {}) {
    this.button = button;
    this.onChange = onChange;
    button.addEventListener("click", () => this.next());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => onChange());
    this.#show();
  }

  next() {
    const root = document.documentElement;
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(STORED, root.dataset.theme);
    } catch {
      // Without storage the choice holds until the page is left.
    }
    this.#show();
    this.onChange();
  }

  #show() {
    const { theme } = document.documentElement.dataset;
    setIcon(this.button, theme);
    this.button.setAttribute("aria-label", `Theme: ${theme}`);
    this.button.title = `Theme: ${theme} (t)`;
  }
}
