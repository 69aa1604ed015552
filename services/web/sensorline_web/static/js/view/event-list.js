// A device's events as a list, newest first; each leads to the charts at its time.
import { duration, period, rangesWords, whatHappened } from "../state/event-words.js";
import { meansMissing } from "../state/events.js";
import { eventAddress } from "../state/moment.js";
import { el, icon, setIcon, setText } from "./dom.js";

const KINDS = [[null, "All"], ["missing", "Missing"]];
const SYMBOLS = new Set(["missing", "silent", "refused", "clock", "store", "session_lost", "late", "out_of_order", "duplicates", "rejected"]);

export class EventList {
  #rows = new Map();
  #order = "";
  #kinds = new Map();

  /** `root`: the dashboard's address; `device`: whose list it is. Handlers: `kind(kind)`, `older()`. */
  constructor(page, { root, device, kind, older }) {
    Object.assign(this, { root, device });
    this.list = page.querySelector("#event-list");
    this.none = page.querySelector("#events-none");
    this.older = page.querySelector("#older");
    this.older.addEventListener("click", older);
    for (const [name, text] of KINDS) {
      this.#kinds.set(name, el("button", { class: "range", type: "button", text, "aria-pressed": "false", on: { click: () => kind(name) } }));
    }
    page.querySelector("#kinds").append(...this.#kinds.values());
  }

  /** `events` in the order to show; `more`: there are older ones. */
  render(events, { now, kind, loaded, problem, more }) {
    for (const [name, button] of this.#kinds) button.setAttribute("aria-pressed", String(name === kind));
    for (const event of events) {
      if (!this.#rows.has(event.id)) this.#rows.set(event.id, this.#build());
      this.#update(this.#rows.get(event.id), event, now);
    }
    this.#arrange(events.map(({ id }) => id));
    this.none.hidden = events.length > 0;
    const nothing = kind === null ? "Nothing is known to be missing." : "No reading is known to be missing.";
    setText(this.none, loaded ? nothing : problem ? "The events could not be loaded." : "Loading…");
    this.older.hidden = !more;
  }

  #build() {
    const row = {
      symbol: icon("warn"), what: el("strong"), all: el("span", { class: "event-all", text: "all devices" }),
      numbers: el("p", { class: "event-numbers" }), detail: el("p", { class: "event-detail" }),
      when: el("time"), long: el("span", { class: "event-long" }), link: el("a", { class: "event-link" }, "Show on the chart", icon("next")),
    };
    row.root = el("li", { class: "event" }, row.symbol,
      el("div", { class: "event-words" }, el("p", {}, row.what, " ", row.all), row.numbers, row.detail),
      el("p", { class: "event-when" }, row.when, " ", row.long), row.link);
    return row;
  }

  #update(row, event, now) {
    const open = event.end === null;
    if (row.event !== event) {
      row.event = event;
      row.root.dataset.kind = event.kind;
      row.root.classList.toggle("is-lost", meansMissing(event));
      row.root.classList.toggle("is-open", open);
      setIcon(row.root, SYMBOLS.has(event.kind) ? event.kind : "warn");
      setText(row.what, whatHappened(event));
      row.all.hidden = event.device !== "";
      row.numbers.hidden = event.ranges.length === 0;
      setText(row.numbers, event.ranges.length > 0 ? rangesWords(event.ranges) : "");
      row.detail.hidden = event.detail === "";
      setText(row.detail, event.detail);
      row.when.dateTime = new Date(event.start).toISOString();
    } else if (!open && row.day === new Date(now).toDateString()) return;
    row.day = new Date(now).toDateString();
    setText(row.when, period(event, now));
    setText(row.long, duration(event, now));
    row.link.href = eventAddress(this.root, event, now, this.device);
    row.link.setAttribute("aria-label", `Show on the chart: ${whatHappened(event)}, ${period(event, now)}`);
  }

  #arrange(ids) {
    const order = JSON.stringify(ids);
    if (order === this.#order) return;
    this.#order = order;
    const shown = new Set(ids);
    for (const id of this.#rows.keys()) if (!shown.has(id)) this.#rows.delete(id);
    const focused = document.activeElement;
    this.list.replaceChildren(...ids.map((id) => this.#rows.get(id).root));
    // Moving an element takes the focus from it.
    if (focused && focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }
}
