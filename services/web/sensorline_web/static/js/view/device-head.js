// The head of a device's page: name, status, where and what it is.
import { ago, instant } from "../format.js";
import { formatHash } from "../state/address.js";
import { intervalWords } from "../state/book.js";
import { DEFAULT_RANGE } from "../state/ranges.js";
import { statusOf, STATUS_WORDS } from "../state/status.js";
import { el, setText } from "./dom.js";

export class DeviceHead {
  #facts = "";

  /** `root`: the dashboard's address. */
  constructor(page, root) {
    this.root = root;
    for (const name of ["device", "title", "status", "facts", "notice", "charts"]) this[name] = page.querySelector(`#${name}`);
    this.dot = this.status.querySelector(".dot");
    this.words = this.status.querySelector("#status-words");
    this.charts.href = root + formatHash({ range: DEFAULT_RANGE, devices: [document.body.dataset.device] });
  }

  /** `device`: the store's entry or null; `problem`: why something could not be loaded, or null. */
  render(device, { now, loaded, problem }) {
    this.device.setAttribute("aria-busy", String(!loaded && !problem));
    if (problem) setText(this.notice, `${problem} Trying again every few seconds.`);
    else if (loaded && !device) setText(this.notice, "Nothing has been heard of this device. Its page fills when its first reading arrives.");
    else setText(this.notice, "");
    this.charts.hidden = !device;
    if (!device) {
      setText(this.words, loaded ? "Never heard" : problem ? "Unknown" : "Loading…");
      return;
    }
    const status = statusOf(device, now);
    setText(this.title, device.title);
    document.title = `${device.title} – Sensorline`;
    this.dot.dataset.status = status;
    this.status.dataset.status = status;
    const since = status === "offline" && device.statusAt ? ` since ${instant(device.statusAt, now).replace(/:\d\d$/, "")}` : "";
    const seen = device.lastSeen === null ? "never seen" : `last seen ${ago(now - device.lastSeen)}`;
    setText(this.words, `${STATUS_WORDS.get(status)}${since} · ${seen}`);
    this.#showFacts(device);
  }

  #showFacts(device) {
    const interval = intervalWords(device.intervalMs, device.account?.interval_s ?? null);
    const facts = [
      device.title === device.id ? null : ["Topic name", device.id],
      device.location ? ["Location", device.location] : null,
      interval ? ["Every", interval] : null,
      device.simulated ? ["Readings", "simulated"] : null,
    ].filter(Boolean);
    const shape = JSON.stringify(facts);
    if (shape === this.#facts) return;
    this.#facts = shape;
    this.facts.replaceChildren(...facts.map(([name, value]) => el("span", {}, el("span", { class: "fact-name", text: `${name} ` }), value)));
  }
}
