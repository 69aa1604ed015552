// A device's book as rows for its page: what came and what became of it, what is lacking, and how punctual it is.
import { formatValue, span } from "../format.js";

const number = new Intl.NumberFormat("en");

/**
 * Rows `{key, name, value, unit, sign, hint, tone}` of an account, as GET devices has it. `sign` is how the row counts
 * towards the first one: what came is stored, rejected or discarded. `tone`: "warn" where something is lacking.
 */
export function bookRows(account) {
  const { received, stored, rejected, duplicates } = account;
  const open = received - stored - rejected - duplicates;
  const rows = [
    row("received", "Received", received, { hint: "In the device’s messages" }),
    row("stored", "Stored", stored, { sign: "=", hint: "Each exactly once" }),
    row("rejected", "Rejected", rejected, { sign: "+", hint: "Kept as dead letters, with a reason", tone: rejected > 0 ? "warn" : "" }),
    row("duplicates", "Duplicates", duplicates, { sign: "+", hint: "Came again, and were discarded" }),
  ];
  // What is being worked on just now: between two looks at the counters there may be some.
  if (open !== 0) rows.push(row("open", "Under way", open, { sign: open > 0 ? "+" : "" }));
  return [
    ...rows,
    row("missing", "Missing", account.missing, { hint: "Numbers that never came, so far", tone: account.missing > 0 ? "warn" : "" }),
    row("refused", "Refused", account.refused, { hint: "By the device itself: its outbox was full", tone: account.refused > 0 ? "warn" : "" }),
    row("late", "Late", account.late, { hint: "Older than 10 s, or three intervals, on arrival" }),
    row("out_of_order", "Out of order", account.out_of_order, { hint: "Older than one that came before" }),
    clockRow(account.skew_ms),
  ];
}

function row(key, name, value, { sign = "", hint = "", tone = "", unit = "" } = {}) {
  return { key, name, value: Number.isFinite(value) ? number.format(value).replace("-", "−") : "–", unit, sign, hint, tone };
}

/** Received time less own time: what remains of it when the network was quick is the clocks' difference. */
function clockRow(skewMs) {
  const hint = "Against the time of receipt";
  if (!Number.isFinite(skewMs)) return row("clock", "Clock", null, { hint: "The device sends no times of its own" });
  const size = Math.abs(skewMs);
  // Below a second it may as well be the network's delay.
  if (size < 1_000) return row("clock", "Clock", Math.round(size), { hint, unit: "ms off" });
  const direction = skewMs < 0 ? "ahead" : "behind";
  const [value, unit] = size < 120_000 ? [formatValue(size / 1000, 1), "s"] : span(size).split(" ");
  return { ...row("clock", "Clock", size, { hint, unit: `${unit} ${direction}`, tone: size > 5_000 ? "warn" : "" }), value };
}

/** How often a device reads, in words: "2 s, announced", "about 60 s"; "" where nobody knows. `announcedMs`: what it said itself. */
export function intervalWords(announcedMs, learnedS) {
  const seconds = announcedMs ? announcedMs / 1000 : learnedS;
  if (!(seconds > 0)) return "";
  const text = seconds < 120 ? `${formatValue(seconds, seconds < 10 ? 1 : 0).replace(/\.0$/, "")} s` : span(seconds * 1000);
  return announcedMs ? `${text}, announced` : `about ${text}`;
}
