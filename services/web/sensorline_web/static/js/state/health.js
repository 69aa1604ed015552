// What is wrong now between broker and store, in sentences. Silent while all is well, and while the page itself has no
// connection: then it does not know, and the pill says so.
import { span } from "../format.js";
import { readings } from "./event-words.js";

/** Ingest speaks every two seconds; after five missed words it is asked about. */
export const UNHEARD_MS = 10_000;
/** From here on the journal raises an alarm, as in ingest's readiness. */
const JOURNAL_ALARM = 0.8;
/** The store may be behind by this much without a word (s). */
const BEHIND_S = 30;

/**
 * Return `[{key, kind: "bad" | "warn", words}]`, worst first.
 *
 * `connected`: this page and the broker are; `ingest`: its last status or null; `heardMs`: how long ago ingest last said
 * something here; `noted`: so many missing readings are known to the person already.
 */
export function healthLines({ connected, ingest, heardMs, now, noted = 0 }) {
  if (!connected) return [];
  const lines = [ingestLine(ingest, heardMs, now), storeLine(ingest), journalLine(ingest), missingLine(ingest, noted)];
  return lines.filter(Boolean);
}

function ingestLine(ingest, heardMs, now) {
  if (!ingest) {
    return heardMs > UNHEARD_MS ? bad("ingest", "Ingest has not been heard of: readings are shown, but nothing is stored.") : null;
  }
  if (ingest.state === "offline" || ingest.state === "stopped") {
    return bad("ingest", `Ingest is ${ingest.state}: readings are shown, but not stored until it is back.`);
  }
  if (heardMs <= UNHEARD_MS) return null;
  const age = Number.isFinite(ingest.updated_at) ? Math.max(heardMs, now - ingest.updated_at) : heardMs;
  return bad("ingest", `Ingest has not been heard of for ${span(age)}: readings are shown, but may not be stored.`);
}

function storeLine(ingest) {
  if (ingest?.state === "store_unavailable") {
    const waiting = ingest.backlog > 0 ? `; ${messages(ingest.backlog)} and keep their place` : "";
    return bad("store", `The store cannot be written to${waiting}. Ingest tries again by itself.`);
  }
  if (!(ingest?.undelivered_s > BEHIND_S)) return null;
  const wait = ingest.undelivered === 1 ? "waits" : "wait";
  return warn("store", `The store is ${span(ingest.undelivered_s * 1000)} behind: ${readings(ingest.undelivered)} ${wait} in ingest’s journal.`);
}

function journalLine(ingest) {
  const full = ingest?.journal_fullness;
  if (!(full >= JOURNAL_ALARM)) return null;
  const then = full >= 1 ? "nothing more is accepted until the store takes some" : "when it is full, nothing more is accepted";
  return bad("journal", `Ingest’s journal is ${Math.floor(full * 100)} % full: ${then}.`);
}

function missingLine(ingest, noted) {
  if (!(ingest?.missing > noted)) return null;
  return warn("missing", `${readings(ingest.missing)} ${ingest.missing === 1 ? "is" : "are"} missing`);
}

function messages(count) {
  return count === 1 ? "1 message waits" : `${new Intl.NumberFormat("en").format(count)} messages wait`;
}

const bad = (key, words) => ({ key, kind: "bad", words });
const warn = (key, words) => ({ key, kind: "warn", words });

/** Remembers when ingest last said something new, by the page's own clock: its clock may be another machine's. */
export class IngestPulse {
  #heardAt = null;
  #last;

  /** Take ingest's status, as it came with a `state` event. */
  note(ingest, now) {
    const word = ingest ? `${ingest.state} ${ingest.updated_at}` : null;
    if (word === this.#last && this.#heardAt !== null) return;
    this.#last = word;
    this.#heardAt = now;
  }

  /** The connection is new: whoever has been silent since may have spoken meanwhile. */
  restart(now) {
    this.#heardAt = now;
  }

  /** How long ago, in ms; 0 before the first word. */
  ageMs(now) {
    return this.#heardAt === null ? 0 : now - this.#heardAt;
  }
}
