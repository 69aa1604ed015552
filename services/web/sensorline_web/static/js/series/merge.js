// History and live readings of one series become one line in which every reading stands once.
//
// A reading with a time of its own is the same reading when time and value are the same. One without has two received
// times, the store's and the web service's, which differ by some milliseconds: for those, history points and live
// readings of equal value are paired in order. The pairing of least cost wins, where leaving a point alone costs much
// when its twin must exist (both sources were listening by then) and nothing at the two ends.
import { copyColumns, insertPoint, lowerBound } from "./columns.js";

/** Two received times of one reading are at most this far apart (ms). */
export const TWIN_WINDOW_MS = 1_500;

/**
 * Within this distance of where a source begins or ends, a twin may be missing (ms). Ingest gathers for a quarter of a
 * second and then commits, which on a busy SD card takes its time.
 */
const EDGE_MS = 1_000;

/** Two such readings are rather twins than strangers when they are closer than this (ms). */
const CLOSE_MS = 350;

/** Source times are nanoseconds sent as milliseconds with decimals; closer than this is the same nanosecond. */
export const SAME_MS = 0.000_5;

/** Tell whether `columns` already hold the reading (t, value). */
export function holds(columns, t, value) {
  for (let i = lowerBound(columns.t, t - SAME_MS); i < columns.t.length && columns.t[i] <= t + SAME_MS; i += 1) {
    if (columns.mean[i] === value && columns.n[i] === 1) return true;
  }
  return false;
}

/**
 * Merge raw history columns with live readings `[{t, v, own}]`.
 *
 * `watchedAt`: live readings are complete from here on; `now`: history is complete until here (both server ms).
 * Returns `{columns, unmatched}`: the merged line, and the live readings that history does not have yet.
 */
export function mergeRaw(history, live, { watchedAt, now }) {
  const columns = copyColumns(history);
  const twins = pairTwins(columns, live, watchedAt, now);
  const unmatched = [];
  for (const reading of live) {
    if (twins.has(reading) || holds(columns, reading.t, reading.v)) continue;
    const { t, v } = reading;
    insertPoint(columns, lowerBound(columns.t, t + SAME_MS), t, v, v, v, 1);
    unmatched.push(reading);
  }
  return { columns, unmatched };
}

/** The live readings without a time of their own that have a twin in history. */
function pairTwins(history, live, watchedAt, now) {
  const byValue = new Map();
  for (const reading of live) {
    if (reading.own) continue;
    const group = byValue.get(reading.v);
    if (group) group.push(reading);
    else byValue.set(reading.v, [reading]);
  }
  const twins = new Set();
  for (const [value, readings] of byValue) {
    readings.sort((a, b) => a.t - b.t);
    const stored = [];
    const end = readings.at(-1).t + TWIN_WINDOW_MS;
    for (let i = lowerBound(history.t, readings[0].t - TWIN_WINDOW_MS); i < history.t.length && history.t[i] <= end; i += 1) {
      if (history.mean[i] === value) stored.push(history.t[i]);
    }
    const times = readings.map((reading) => reading.t);
    for (const index of alignTimes(stored, times, watchedAt + EDGE_MS, now - EDGE_MS)) twins.add(readings[index]);
  }
  return twins;
}

/**
 * Pair two ascending lists of times, in order and one to one, at the least cost.
 *
 * Stored times after `twinsFrom` and live times before `twinsUntil` should find a partner. Returns the paired indices
 * of `live`.
 */
export function alignTimes(stored, live, twinsFrom, twinsUntil) {
  const rows = stored.length;
  const cells = live.length;
  if (rows === 0 || cells === 0) return [];
  const aloneStored = (i) => (stored[i] >= twinsFrom ? 1 : 0);
  const aloneLive = (j) => (live[j] <= twinsUntil ? 1 : 0);
  const stride = cells + 1;
  const cost = new Float64Array((rows + 1) * stride);
  for (let i = rows - 1; i >= 0; i -= 1) cost[i * stride + cells] = cost[(i + 1) * stride + cells] + aloneStored(i);
  for (let j = cells - 1; j >= 0; j -= 1) cost[rows * stride + j] = cost[rows * stride + j + 1] + aloneLive(j);
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = cells - 1; j >= 0; j -= 1) {
      const skip = Math.min(cost[(i + 1) * stride + j] + aloneStored(i), cost[i * stride + j + 1] + aloneLive(j));
      cost[i * stride + j] = Math.min(skip, pairCost(stored[i], live[j]) + cost[(i + 1) * stride + j + 1]);
    }
  }
  const paired = [];
  for (let i = 0, j = 0; i < rows && j < cells; ) {
    const here = cost[i * stride + j];
    if (here === pairCost(stored[i], live[j]) + cost[(i + 1) * stride + j + 1]) {
      paired.push(j);
      i += 1;
      j += 1;
    } else if (here === cost[(i + 1) * stride + j] + aloneStored(i)) i += 1;
    else j += 1;
  }
  return paired;
}

/** From slightly below nothing (a twin is better than two strangers) to one at the window's end. */
function pairCost(a, b) {
  const distance = Math.abs(a - b);
  return distance > TWIN_WINDOW_MS ? Infinity : (distance - CLOSE_MS) / TWIN_WINDOW_MS;
}
