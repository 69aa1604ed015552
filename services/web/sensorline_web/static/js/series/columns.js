// Points as columns: parallel arrays of bucket start, least, mean, greatest value and count. A raw reading is a bucket of one.

/** Empty columns. */
export function emptyColumns() {
  return { t: [], min: [], mean: [], max: [], n: [] };
}

/** The index of the first entry of the ascending array `times` that is at or after `t`. */
export function lowerBound(times, t) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the entry nearest to `t`, or -1 if there is none. */
export function nearest(times, t) {
  if (times.length === 0) return -1;
  const after = lowerBound(times, t);
  if (after === 0) return 0;
  if (after === times.length) return after - 1;
  return t - times[after - 1] <= times[after] - t ? after - 1 : after;
}

/** Put a point in at `index`. */
export function insertPoint(columns, index, t, min, mean, max, n) {
  if (index === columns.t.length) {
    columns.t.push(t);
    columns.min.push(min);
    columns.mean.push(mean);
    columns.max.push(max);
    columns.n.push(n);
    return;
  }
  columns.t.splice(index, 0, t);
  columns.min.splice(index, 0, min);
  columns.mean.splice(index, 0, mean);
  columns.max.splice(index, 0, max);
  columns.n.splice(index, 0, n);
}

/** Drop the first `count` points. */
export function dropFirst(columns, count) {
  if (count <= 0) return;
  for (const column of [columns.t, columns.min, columns.mean, columns.max, columns.n]) column.splice(0, count);
}

/** The point at `index` as an object. */
export function pointAt(columns, index) {
  return {
    t: columns.t[index],
    mean: columns.mean[index],
    min: columns.min[index],
    max: columns.max[index],
    n: columns.n[index],
  };
}

/** A copy that may be changed, in ascending order of time. */
export function copyColumns({ t, min, mean, max, n }) {
  const order = t.map((_, i) => i);
  if (t.some((value, i) => i > 0 && value < t[i - 1])) order.sort((a, b) => t[a] - t[b]);
  const pick = (column) => order.map((i) => column[i]);
  return { t: pick(t), min: pick(min), mean: pick(mean), max: pick(max), n: pick(n) };
}
