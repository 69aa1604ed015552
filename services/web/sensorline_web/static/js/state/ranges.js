// The spans of time that the bar offers, and how often their history is loaded anew.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `id` stands in the address and is what the API understands after `now-`. */
export const RANGES = [
  { id: "5m", label: "5 m", words: "5 minutes", ms: 5 * MINUTE },
  { id: "15m", label: "15 m", words: "15 minutes", ms: 15 * MINUTE },
  { id: "1h", label: "1 h", words: "hour", ms: HOUR },
  { id: "6h", label: "6 h", words: "6 hours", ms: 6 * HOUR },
  { id: "24h", label: "24 h", words: "24 hours", ms: DAY },
  { id: "7d", label: "7 d", words: "7 days", ms: 7 * DAY },
  { id: "30d", label: "30 d", words: "30 days", ms: 30 * DAY },
];

export const DEFAULT_RANGE = "15m";

/** The range with this id, or the default one. */
export function rangeById(id) {
  return RANGES.find((range) => range.id === id) ?? RANGES.find((range) => range.id === DEFAULT_RANGE);
}

/** The smallest range that reaches back `ageMs`, or null. */
export function rangeReaching(ageMs) {
  return RANGES.find((range) => range.ms > ageMs) ?? null;
}

/**
 * Milliseconds until history should be loaded again. Live readings keep the line complete; a fresh load replaces what
 * was folded here by what the store computed, late readings included.
 */
export function refreshPeriod(bucketMs) {
  return Math.min(5 * MINUTE, Math.max(MINUTE, 4 * bucketMs));
}
