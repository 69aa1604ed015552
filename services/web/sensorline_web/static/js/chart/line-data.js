// From columns to what the chart draws: the points in the window, a break for each gap, the stretches for the band.
import { lowerBound } from "../series/columns.js";

/**
 * Return `{points, stretches, low, high}` of the points within [from, to] and one neighbour on each side.
 *
 * `threshold`: a longer pause is a gap. `low`/`high`: the least and greatest value to be seen; NaN if there is none.
 */
export function lineData(columns, from, to, threshold) {
  const first = Math.max(0, lowerBound(columns.t, from) - 1);
  let end = lowerBound(columns.t, to);
  while (end < columns.t.length && columns.t[end] <= to) end += 1;
  end = Math.min(columns.t.length, end + 1);
  const points = [];
  const stretches = [];
  let low = Infinity;
  let high = -Infinity;
  let begun = first;
  for (let i = first; i < end; i += 1) {
    const t = columns.t[i];
    if (i > first && t - columns.t[i - 1] > threshold) {
      stretches.push([begun, i - 1]);
      begun = i;
      points.push({ x: (t + columns.t[i - 1]) / 2, y: Number.NaN });
    }
    points.push({ x: t, y: columns.mean[i] });
    if (t < from || t > to) continue;
    if (columns.min[i] < low) low = columns.min[i];
    if (columns.max[i] > high) high = columns.max[i];
  }
  if (end > first) stretches.push([begun, end - 1]);
  return { points, stretches, low: low <= high ? low : Number.NaN, high: low <= high ? high : Number.NaN };
}

/** Tell whether a line's values are states (0 and 1 only), which hold until the next one. */
export function isBinary(columns) {
  if (columns.t.length < 2) return false;
  for (let i = 0; i < columns.t.length; i += 1) {
    if (columns.n[i] !== 1 || (columns.mean[i] !== 0 && columns.mean[i] !== 1)) return false;
  }
  return true;
}
