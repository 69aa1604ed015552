// The line under the bar: what is wrong now. Empty while all is well.
import { deviceAddress } from "../state/address.js";
import { healthLines, IngestPulse } from "../state/health.js";
import { el, icon } from "./dom.js";

const NOTED = "sensorline.noted";
/** Devices named in the line about missing readings; more are counted. */
const NAMES = 3;

export class Health {
  #pulse = new IngestPulse();
  #ingest = null;
  #lines = new Map();

  /** `element`: the status region; `root`: the dashboard's address. */
  constructor(element, root) {
    this.element = element;
    this.root = root;
  }

  /** How many readings are missing in all, as ingest says; 0 if it does not. */
  get missing() {
    return this.#ingest?.missing > 0 ? this.#ingest.missing : 0;
  }

  /** Take ingest's status from a `state` event. */
  note(ingest, now) {
    this.#ingest = ingest;
    this.#pulse.note(ingest, now);
    // What is known and came after all is forgotten, so that the next loss is told.
    if (ingest && this.missing < noted()) remember(this.missing);
  }

  /** The connection is new. */
  restart(now) {
    this.#pulse.restart(now);
  }

  /** Bring the line up to date; `devices`: among which those that miss something are named. */
  render({ connected, devices, now }) {
    const lines = healthLines({ connected, ingest: this.#ingest, heardMs: this.#pulse.ageMs(now), now, noted: noted() });
    const keys = new Set(lines.map((line) => line.key));
    for (const [key, line] of this.#lines) {
      if (keys.has(key)) continue;
      line.root.remove();
      this.#lines.delete(key);
    }
    lines.forEach((line, index) => {
      if (!this.#lines.has(line.key)) this.#lines.set(line.key, this.#build(line));
      const shown = this.#lines.get(line.key);
      if (this.element.children[index] !== shown.root) this.element.insertBefore(shown.root, this.element.children[index] ?? null);
      this.#update(shown, line, devices);
    });
  }

  #build({ key, kind }) {
    // A text node that is changed, not replaced: numbers that grow are not announced each time.
    const text = document.createTextNode("");
    const where = el("span", { class: "health-where" });
    const root = el("p", { class: "health-line", "data-kind": kind }, icon("warn"), el("span", {}, text, where));
    if (key === "missing") {
      root.append(el("button", {
        class: "link", type: "button", text: "Noted", title: "Hide this until more are missing",
        on: { click: () => { remember(this.missing); root.remove(); this.#lines.delete(key); } },
      }));
    }
    return { root, text, where, shape: "" };
  }

  #update(shown, { key, words, kind }, devices) {
    if (shown.text.data !== words) shown.text.data = words;
    if (shown.root.dataset.kind !== kind) shown.root.dataset.kind = kind;
    if (key === "missing") this.#nameDevices(shown, devices);
  }

  /** Where readings are missing, with links to these devices' pages. */
  #nameDevices(shown, devices) {
    const lacking = devices.filter((device) => device.account?.missing > 0).sort((a, b) => b.account.missing - a.account.missing);
    const shape = JSON.stringify(lacking.slice(0, NAMES).map(({ id, title }) => [id, title])) + lacking.length;
    if (shape === shown.shape) return;
    shown.shape = shape;
    const links = lacking.slice(0, NAMES).flatMap(({ id, title }, i) => [i === 0 ? ": " : ", ", el("a", { href: deviceAddress(this.root, id), text: title })]);
    const more = lacking.length > NAMES ? ` and ${lacking.length - NAMES} more` : "";
    shown.where.replaceChildren(...links, more);
  }
}

function noted() {
  try {
    return Number(localStorage.getItem(NOTED)) || 0;
  } catch {
    return memory;
  }
}

/** Without storage it holds until the page is left. */
let memory = 0;

function remember(count) {
  memory = count;
  try {
    localStorage.setItem(NOTED, String(count));
  } catch {
    // Then it is asked again on the next page.
  }
}
