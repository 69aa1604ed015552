// The footer: how fine the lines are, and how ingest fares.
import { span, width } from "../format.js";
import { el } from "./dom.js";

const count = new Intl.NumberFormat("en");

export class Foot {
  #text = "";

  constructor(root) {
    this.root = root;
  }

  /** `buckets`: the widths in force (ms; 0 for raw readings); `ingest`: the last status JSON of ingest, or null. */
  render(buckets, ingest) {
    const parts = [resolution(buckets)];
    if (ingest) {
      const state = typeof ingest.state === "string" ? ingest.state : "unknown";
      parts.push(`Ingest ${state}`);
      for (const name of ["stored", "rejected", "missing", "backlog"]) {
        if (Number.isFinite(ingest[name]) && (ingest[name] > 0 || name === "stored" || name === "rejected")) parts.push(`${count.format(ingest[name])} ${name}`);
      }
    }
    parts.push(waiting(ingest));
    parts.push(`Times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`);
    const text = parts.filter(Boolean).join("\n");
    if (text === this.#text) return;
    this.#text = text;
    this.root.replaceChildren(...parts.filter(Boolean).map((part) => el("span", { text: part })));
  }
}

/** A store that keeps up has something waiting at any moment, but not for so long (s). */
const WAITING_S = 5;

/** What is durable at ingest and not in the store yet, with its age and the room that it takes. */
function waiting(ingest) {
  if (!(ingest?.undelivered > 0 && ingest.undelivered_s >= WAITING_S)) return "";
  const full = ingest.journal_fullness >= 0.01 ? `, journal ${Math.floor(ingest.journal_fullness * 100)} % full` : "";
  return `${count.format(ingest.undelivered)} wait for the store (${span(ingest.undelivered_s * 1000)}${full})`;
}

function resolution(buckets) {
  const widths = [...new Set(buckets)].sort((a, b) => a - b);
  if (widths.length === 0) return "";
  const words = widths.map((ms) => (ms === 0 ? "every reading" : `means of ${width(ms)}`));
  return `Lines show ${words.length > 2 ? `means of up to ${width(widths.at(-1))}` : words.join(" and ")}`;
}
