// Where a series has no data although it should: the line breaks there and the chart is hatched.

/** A pause is a gap from this many intervals on. */
const INTERVALS = 3;

/** No pause shorter than this is a gap (ms): it is the network's breathing. */
const SHORTEST_MS = 2_000;

/**
 * The longest pause between two points that is not a gap, in ms; Infinity while nothing is known.
 *
 * `intervalMs`: what the device promised, or null; `bucketMs`: the width of the buckets, 0 for raw readings.
 */
export function gapThreshold(times, { intervalMs = null, bucketMs = 0 } = {}) {
  const promised = intervalMs ? INTERVALS * intervalMs : 0;
  const learned = promised > 0 ? 0 : INTERVALS * usualPause(times);
  const longest = Math.max(promised, learned, 1.5 * bucketMs);
  return longest > 0 ? Math.max(longest, SHORTEST_MS) : Infinity;
}

/** The pause that nine of ten pauses do not exceed; 0 for fewer than four points. */
function usualPause(times) {
  if (times.length < 4) return 0;
  const pauses = [];
  // A sample is enough: this runs with every redraw.
  const stride = Math.max(1, Math.floor(times.length / 200));
  for (let i = stride; i < times.length; i += stride) pauses.push(times[i] - times[i - 1]);
  pauses.sort((a, b) => a - b);
  return pauses[Math.floor((pauses.length - 1) * 0.9)];
}

/** The gaps as [[from, to], …] between points, and from the last point to `until`. */
export function findGaps(times, threshold, until) {
  const gaps = [];
  for (let i = 1; i < times.length; i += 1) {
    if (times[i] - times[i - 1] > threshold) gaps.push([times[i - 1], times[i]]);
  }
  if (times.length > 0 && until - times.at(-1) > threshold) gaps.push([times.at(-1), until]);
  return gaps;
}

/** The spans that all the given lists of spans have in common: there, nobody has data. */
export function commonSpans(lists) {
  if (lists.length === 0) return [];
  return lists.reduce((common, list) => {
    const both = [];
    for (let i = 0, j = 0; i < common.length && j < list.length; ) {
      const from = Math.max(common[i][0], list[j][0]);
      const to = Math.min(common[i][1], list[j][1]);
      if (to > from) both.push([from, to]);
      if (common[i][1] < list[j][1]) i += 1;
      else j += 1;
    }
    return both;
  });
}
