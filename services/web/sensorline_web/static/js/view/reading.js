// What a panel says of the instant that is pointed at: in its head, in the tooltip, and with dots on the lines.
import { readout } from "../format.js";
import { sentence, shortWords } from "../state/event-words.js";
import { meansMissing } from "../state/events.js";
import { el } from "./dom.js";
import { Tip } from "./tip.js";

export class Reading {
  cursor = null;
  /** The device that the readout is about. */
  device = null;

  constructor(panel) {
    this.panel = panel;
    this.tip = new Tip();
    this.root = el("output", { class: "readout", "aria-live": "off" });
  }

  /** Read everything aloud from now on: the person uses the keyboard. */
  speak() {
    this.root.setAttribute("aria-live", "polite");
  }

  /** Show `cursor` = {panel, t, value, device, event}, or take it away with null. Returns the lines' points found there. */
  show(cursor, chart, { store, now }) {
    const { panel } = this;
    this.cursor = cursor;
    const readable = cursor && panel.face === "data";
    const found = readable ? panel.scene.at(cursor.t) : [];
    const events = readable ? eventsOf(panel, cursor) : [];
    panel.root.classList.toggle("is-reading", found.length + events.length > 0);
    chart?.point(cursor && { t: cursor.t, dots: found.map(({ dataset, point }) => ({ dataset, t: point.t, value: point.mean })) });
    this.root.replaceChildren();
    const say = (event) => sentence(event, { now, title: panel.titleOf(event.device) });
    if (events.length > 0 && (found.length === 0 || cursor.event)) this.root.append(el("b", { class: toneOf(events[0]), text: say(events[0]) }));
    else if (found.length > 0) this.#write(found, cursor, store, now);
    if (events.length > 0 && found.length > 0 && !cursor.event) this.root.append(el("span", { class: toneOf(events[0]), text: ` · ${shortWords(events[0])}` }));
    if (found.length + events.length > 0 && cursor.panel === panel) this.#showTip(found, events, cursor, chart, { store, now, say });
    else this.tip.hide();
    return found;
  }

  #write(found, cursor, store, now) {
    const { device, title, point } = this.#chosen(found, cursor);
    const text = readout(point, { unit: this.panel.model.unit, decimals: this.#decimals(device, store), now });
    const [value, rest] = text.split(" @ ");
    this.root.append(found.length > 1 ? `${title} ` : "", el("b", { text: value }), ` @ ${rest}`);
    this.device = device;
  }

  /** The line that the readout is about: the one nearest to the pointer, elsewhere the same device's, else the first. */
  #chosen(found, cursor) {
    if (cursor.panel !== this.panel || cursor.value === null) return found.find((entry) => entry.device === cursor.device) ?? found[0];
    return found.reduce((best, entry) => (Math.abs(entry.point.mean - cursor.value) < Math.abs(best.point.mean - cursor.value) ? entry : best));
  }

  #showTip(found, events, cursor, chart, { store, now, say }) {
    const entries = found.map(({ device, title, point }) => ({ title, point, decimals: this.#decimals(device, store) }));
    this.tip.show(entries, {
      unit: this.panel.model.unit, now, t: cursor.t, events: events.map(say), left: chart.pixelOf(cursor.t), width: this.panel.plot.clientWidth,
    });
  }

  #decimals(device, store) {
    return store.metric(device, this.panel.model.metric)?.decimals ?? 1;
  }
}

function toneOf(event) {
  return meansMissing(event) ? "is-missing" : "";
}

/** The events at the cursor; the one that was asked for comes first. */
function eventsOf({ scene }, { t, event }) {
  const events = scene.eventsAt(t);
  if (!event) return events;
  return [...events.filter(({ id }) => id === event.id), ...events.filter(({ id }) => id !== event.id)];
}
