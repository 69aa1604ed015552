// An event in words: a few for a label on the chart, a sentence for everything else.
import { clock, day, instant, shortClock, span } from "../format.js";

const number = new Intl.NumberFormat("en");

/** `3 readings`, `1 reading`. */
export function readings(count) {
  return `${number.format(count)} ${count === 1 ? "reading" : "readings"}`;
}

/** Kinds whose label is a count and a word. */
const COUNTED = { missing: "missing", refused: "refused", late: "late", out_of_order: "out of order", duplicates: "repeated", rejected: "rejected" };

/** A word or two: "37 missing", "silent", "clock wrong". */
export function shortWords({ kind, count }) {
  if (Object.hasOwn(COUNTED, kind)) return `${number.format(count)} ${COUNTED[kind]}`;
  return { silent: "silent", session_lost: "session lost", clock: "clock wrong", store: "store away" }[kind] ?? "data may be missing";
}

/** What happened, without the time. */
export function whatHappened({ kind, count, end }) {
  switch (kind) {
    case "missing": return `${readings(count)} missing`;
    case "refused": return `${readings(count)} refused: the device’s outbox was full`;
    case "silent": return "No readings came";
    case "session_lost": return "The broker forgot what waited for ingest";
    case "clock": return "The device’s clock was wrong";
    case "store": return end === null ? "Readings cannot be stored" : "Readings could not be stored at once";
    case "late": return `${readings(count)} came late`;
    case "out_of_order": return `${readings(count)} came after newer ones`;
    case "duplicates": return `${readings(count)} came again, and ${count === 1 ? "is" : "are"} stored once`;
    case "rejected": return `${number.format(count)} ${count === 1 ? "message" : "messages"} rejected`;
    default: return "Data may be missing";
  }
}

/** "14:03:07–14:05:12", "since 14:03:07", "20 Nov 23:58:01 – 21 Nov 00:10:00"; one instant where both ends read alike. */
export function period({ start, end }, now) {
  if (end === null) return `since ${instant(start, now)}`;
  const from = instant(start, now);
  if (sameDay(start, end)) return clock(start) === clock(end) ? from : `${from}–${clock(end)}`;
  return `${day(start)} ${clock(start)} – ${day(end)} ${clock(end)}`;
}

/** How long it took or takes: "37 s", "5 min so far". */
export function duration({ start, end }, now) {
  if (end === null) return `${span(now - start)} so far`;
  return end - start < 1_000 ? "under 1 s" : span(end - start);
}

/** The sentence of an event: kind, count, from–to. `title`: the device's name, where it is not said elsewhere. */
export function sentence(event, { now, title = "" }) {
  return `${title ? `${title}: ` : ""}${whatHappened(event)}, ${period(event, now)}`;
}

/** The label of several events: "37 missing", "2 × silent", "37 missing + 2 more". */
export function groupWords(events) {
  const lacking = events.filter((event) => event.kind === "missing");
  if (lacking.length > 0) {
    const words = shortWords({ kind: "missing", count: lacking.reduce((sum, event) => sum + event.count, 0) });
    return lacking.length < events.length ? `${words} + ${events.length - lacking.length} more` : words;
  }
  if (events.length === 1) return shortWords(events[0]);
  const kinds = new Set(events.map((event) => event.kind));
  if (kinds.size > 1) return `${events.length} events`;
  const [{ kind }] = events;
  if (Object.hasOwn(COUNTED, kind)) return shortWords({ kind, count: events.reduce((sum, event) => sum + event.count, 0) });
  return `${events.length} × ${shortWords(events[0])}`;
}

/** Sequence numbers in words: "Number 9", "Numbers 1201–1237, 1240". At most `most` ranges, then how many more. */
export function rangesWords(ranges, most = 12) {
  const isOne = ranges.length === 1 && ranges[0][0] === ranges[0][1];
  const words = ranges.slice(0, most).map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`));
  if (ranges.length > most) words.push(`${ranges.length - most} more`);
  return `${isOne ? "Number" : "Numbers"} ${words.join(", ")}`;
}

/** "14:03–14:05" or "since 14:03": short, for a chart's description. */
export function shortPeriod({ start, end }) {
  return end === null ? `since ${shortClock(start)}` : `${shortClock(start)}–${shortClock(end)}`;
}

function sameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}
