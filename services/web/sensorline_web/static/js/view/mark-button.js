// In a panel's head: that data may be missing in view. Each press points at the next event, so that the keyboard and a
// screen reader reach all of them.
import { groupWords } from "../state/event-words.js";
import { el, icon, setText } from "./dom.js";

export class MarkButton {
  #events = [];
  #index = -1;

  /** Handlers: `show(event)`, `leave()`. */
  constructor({ show, leave }) {
    this.words = el("span");
    this.root = el("button", {
      class: "mark-button", type: "button", title: "Data may be missing here. Press to read what happened, event by event",
      on: {
        click: () => {
          this.#index = (this.#index + 1) % this.#events.length;
          show(this.#events[this.#index]);
        },
        blur: leave,
        keydown: (event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          leave();
        },
      },
    }, icon("warn"), this.words);
    this.root.hidden = true;
  }

  /** The events in view, oldest first. */
  render(events) {
    const current = this.#events[this.#index];
    this.#events = events;
    this.#index = current ? events.findIndex((event) => event.id === current.id) : -1;
    if (this.root.hidden !== (events.length === 0)) this.root.hidden = events.length === 0;
    if (events.length === 0) return;
    setText(this.words, groupWords(events));
    const label = `Data may be missing: ${groupWords(events)} in view. Press to read ${events.length === 1 ? "it" : "the next"}`;
    if (this.root.getAttribute("aria-label") !== label) this.root.setAttribute("aria-label", label);
  }
}
