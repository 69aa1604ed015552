// The value axis: round ends, some air, at most five labels, and it stays where it is while the data stay inside.

const NICE = [1, 2, 2.5, 5];
const AIR = 0.04;

/** Less than this would make a picture of a sensor's noise. */
const SMALLEST_SPAN = new Map([["°C", 1], ["°F", 2], ["%", 2], ["hPa", 1], ["ppm", 20], ["V", 0.1], ["dBm", 4]]);

/**
 * Return `{min, max, step}` for values between `low` and `high`.
 *
 * `previous` is kept while the data fit and fill it well enough. Never below zero when no value is, and a percentage
 * ends at 100. `binary`: the values are states, 0 and 1.
 */
export function valueRange(low, high, { previous = null, unit = null, binary = false } = {}) {
  if (binary) return { min: 0, max: 1, step: 1 };
  if (!Number.isFinite(low) || !Number.isFinite(high)) return previous ?? { min: 0, max: 1, step: 0.25 };
  const wanted = roundRange(low, high, unit);
  if (!previous) return wanted;
  const fits = low >= previous.min && high <= previous.max;
  const wasteful = wanted.max - wanted.min < 0.75 * (previous.max - previous.min);
  return fits && !wasteful ? previous : wanted;
}

function roundRange(low, high, unit) {
  const smallest = SMALLEST_SPAN.get(unit) ?? Math.max(Math.abs(low), Math.abs(high)) * 0.01;
  let [from, to] = [low, high];
  if (to - from < smallest) {
    const middle = (from + to) / 2;
    const span = smallest || 1;
    [from, to] = [middle - span / 2, middle + span / 2];
  }
  const air = (to - from) * AIR;
  from -= air;
  to += air;
  // A line along zero or along 100 % may touch its edge: there is nothing beyond.
  if (low >= 0 && from < 0) from = 0;
  if (unit === "%" && high <= 100 && to > 100) to = 100;
  if (low === 0 && high === 0) to = Math.max(to, 1);
  return snap(from, to);
}

/** The tightest round range around [from, to] with two to four steps. */
function snap(from, to) {
  const size = 10 ** Math.floor(Math.log10((to - from) / 4));
  let best = null;
  for (const scale of [size, size * 10]) {
    for (const nice of NICE) {
      const step = nice * scale;
      const min = Math.floor(from / step + 1e-9) * step;
      const max = Math.ceil(to / step - 1e-9) * step;
      const steps = Math.round((max - min) / step);
      if (steps >= 2 && steps <= 4 && (!best || max - min < best.max - best.min - 1e-12 * scale)) best = { min, max, step };
    }
  }
  if (!best) return { min: from, max: to, step: (to - from) / 4 };
  // Sums of decimals carry dust (0.30000000000000004), which would show in a label.
  const clean = (value) => Number(value.toPrecision(12));
  return { min: clean(best.min), max: clean(best.max), step: clean(best.step) };
}

/** The label values of a range. */
export function rangeTicks({ min, max, step }) {
  const ticks = [];
  for (let i = 0; min + i * step <= max + step * 1e-6; i += 1) ticks.push(Number((min + i * step).toPrecision(12)));
  return ticks;
}
