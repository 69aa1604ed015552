// The connection pill.
import { setText } from "./dom.js";

export class Pill {
  constructor(root) {
    this.root = root.querySelector("#pill");
    this.words = root.querySelector("#pill-words");
    this.count = root.querySelector("#pill-count");
  }

  /** `pill` from connectionPill; `count`: readings that came while paused. */
  show(pill, count = 0) {
    this.root.dataset.kind = pill.kind;
    this.root.title = pill.detail;
    setText(this.words, pill.words);
    // Outside of the status element, so that a screen reader does not read every number.
    setText(this.count, pill.kind === "held" && count > 0 ? `· ${count} new` : "");
  }
}
