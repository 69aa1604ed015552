// A live reading joins the bucket that its time falls into, or begins a new one.
import { insertPoint, lowerBound } from "./columns.js";

/** The start of the bucket for `t`, on the grid that goes through `anchor`. */
export function bucketStart(t, widthMs, anchor = 0) {
  return anchor + Math.floor((t - anchor) / widthMs) * widthMs;
}

/** Fold the reading (t, value) into `columns`, whose buckets are `widthMs` wide. Changes `columns`. */
export function foldReading(columns, widthMs, t, value) {
  const start = bucketStart(t, widthMs, columns.t.length > 0 ? columns.t[0] : 0);
  // Half a millisecond of tolerance: starts come as decimals of nanoseconds.
  const index = lowerBound(columns.t, start - 0.5);
  if (index < columns.t.length && Math.abs(columns.t[index] - start) <= 0.5) {
    const n = columns.n[index] + 1;
    columns.n[index] = n;
    columns.mean[index] += (value - columns.mean[index]) / n;
    if (value < columns.min[index]) columns.min[index] = value;
    if (value > columns.max[index]) columns.max[index] = value;
    return;
  }
  insertPoint(columns, index, start, value, value, value, 1);
}
