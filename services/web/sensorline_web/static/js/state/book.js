// A device's book as rows for its page: what came and what became of it, what is lacking, and how punctual it is.
import { formatValue, span } from "../format.js";

const number = new Intl.NumberFormat("en");

/**
 * Rows `{key, name, value, unit, sign, hint, tone}` of an account, as GET devices has it. `sign` is how the row counts
 * towards the first one: what came is stored, rejected or discarded. `tone`: "warn" where something is lacking.
 */
export function bookRows(account, { intervalMs = null } = {}) {
  const { received, stored, rejected, duplicates } = account;
  const open = received - stored - rejected - duplicates;
  const rows = [
    row("received", "Received", received, { hint: "Readings that messages of this device brought; a message that made no sense counts as one" }),
    row("stored", "Stored", stored, { sign: "=" }),
    row("rejected", "Rejected", rejected, { sign: "+", hint: "Kept as dead letters, with a reason", tone: rejected > 0 ? "warn" : "" }),
    row("duplicates", "Duplicates", duplicates, { sign: "+", hint: "Delivered again or repeated, and discarded" }),
  ];
  // What is being worked on just now: between two looks at the counters there may be some.
  if (open !== 0) rows.push(row("open", "Under way", open, { sign: open > 0 ? "+" : "" }));
  return [
    ...rows,
    row("missing", "Missing", account.missing, { hint: "Numbers that never came, so far", tone: account.missing > 0 ? "warn" : "" }),
    row("refused", "Refused", account.refused, { hint: "By the device itself: its outbox was full", tone: account.refused > 0 ? "warn" : "" }),
    row("late", "Late", account.late, { hint: "Older than 10 s, or three intervals, when they came" }),
    row("out_of_order", "Out of order", account.out_of_order, { hint: "Older than one that came before" }),
    clockRow(account.skew_ms),
    intervalRow(account.interval_s, intervalMs),
  ];
}

function row(key, name, value, { sign = "", hint = "", tone = "", unit = "" } = {}) {
  return { key, name, value: Number.isFinite(value) ? number.format(value).replace("-", "−") : "–", unit, sign, hint, tone };
}

/** Received time less own time: what remains of it when the network was quick is the clocks' difference. */
function clockRow(skewMs) {
  const hint = "Received time less the device’s own, the smallest of the last minutes";
  if (!Number.isFinite(skewMs)) return row("clock", "Clock", null, { hint: "The device sends no times of its own" });
  const size = Math.abs(skewMs);
  const direction = skewMs < 0 ? "ahead" : "behind";
  if (size < 1_000) return { ...row("clock", "Clock", size, { hint, unit: `ms ${direction}` }), value: number.format(Math.round(size)) };
  const [value, unit] = size < 120_000 ? [formatValue(size / 1000, 1), "s"] : span(size).split(" ");
  return { ...row("clock", "Clock", size, { hint, unit: `${unit} ${direction}`, tone: size > 5_000 ? "warn" : "" }), value };
}

function intervalRow(learnedS, announcedMs) {
  const seconds = announcedMs ? announcedMs / 1000 : learnedS;
  if (!(seconds > 0)) return row("interval", "Interval", null, { hint: "Not known yet" });
  const [value, unit] = seconds < 120 ? [formatValue(seconds, seconds < 10 ? 1 : 0).replace(/\.0$/, ""), "s"] : span(seconds * 1000).split(" ");
  return { ...row("interval", "Interval", seconds, { unit, hint: announcedMs ? "As the device announced it" : "Learned from its readings" }), value };
}
