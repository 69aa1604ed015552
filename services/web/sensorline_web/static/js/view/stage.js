// The page's large faces: charts, first run, failed start.
import { firstRun, startFailed } from "./first-run.js";

export class Stage {
  #shown = "";

  constructor(body) {
    this.body = body;
    this.page = body.querySelector(".page");
    this.panels = body.querySelector("#panels");
  }

  /** The devices have been loaded; there are so many. */
  show(devices) {
    this.body.classList.toggle("has-many", devices > 6);
    if (devices > 0) this.#switch("charts", () => null);
    else this.#switch("first-run", () => firstRun(this.body.dataset.brokerHost, this.body.dataset.brokerPort));
  }

  failed(reason, onRetry) {
    this.#switch(`failed ${reason}`, () => startFailed(reason, onRetry));
  }

  #switch(face, build) {
    if (face === this.#shown) return;
    this.#shown = face;
    const words = build();
    this.page.classList.toggle("is-first-run", words !== null);
    this.page.querySelector(".first-run")?.remove();
    if (words) this.panels.before(words);
    this.panels.hidden = words !== null;
  }
}
