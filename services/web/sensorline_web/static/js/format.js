// How numbers, units, spans and instants are written. Times are epoch milliseconds.

// A unit's useful decimals: more would be noise from an average, fewer would hide a change.
const UNIT_DECIMALS = new Map([
  ["°C", 1], ["°F", 1], ["K", 1], ["%", 1], ["hPa", 1], ["mbar", 1], ["ppm", 0], ["ppb", 0], ["lx", 0],
  ["lux", 0], ["W", 1], ["dBm", 0], ["B", 0], ["rpm", 0],
]);

const numberFormats = new Map();

function numberFormat(decimals) {
  let format = numberFormats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      useGrouping: "min2",
    });
    numberFormats.set(decimals, format);
  }
  return format;
}

function magnitudeDecimals(value) {
  const size = Math.abs(value);
  if (size >= 10_000) return 0;
  if (size >= 100) return 1;
  if (size >= 1 || size === 0) return 2;
  return size >= 0.1 ? 3 : 4;
}

/** Decimals that `value` needs, bounded by what its size and unit make worth reading: 0 to 4. */
export function decimalsFor(value, unit = null) {
  if (!Number.isFinite(value)) return 0;
  const written = String(Math.abs(value));
  const dot = written.indexOf(".");
  const own = written.includes("e-") ? 4 : dot < 0 ? 0 : written.length - dot - 1;
  return Math.min(own, magnitudeDecimals(value), UNIT_DECIMALS.get(unit) ?? 4);
}

/** `value` with `decimals` places (fewer for large numbers); a minus is a real minus sign; "–" if there is none. */
export function formatValue(value, decimals = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e9 || (size > 0 && size < 0.000_05)) return minus(value.toExponential(2));
  const text = numberFormat(Math.min(decimals, magnitudeDecimals(value))).format(value);
  return minus(/[1-9]/.test(text) ? text : text.replace("-", ""));
}

function minus(text) {
  return text.replace(/-/g, "−");
}

/** Decimals for labels that are `step` apart: 0.5 → 1, 0.25 → 2, 20 → 0. */
export function stepDecimals(step) {
  let decimals = 0;
  while (decimals < 9 && Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6) decimals += 1;
  return decimals;
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });

const shortForm = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

/** `value` in at most seven characters or so, for the label at a line's end. */
export function shortValue(value, decimals) {
  const text = formatValue(value, decimals);
  return text.length > 7 && Math.abs(value) >= 1_000 && Math.abs(value) < 1e15 ? minus(shortForm.format(value)) : text;
}

/** A label of the value axis, short enough for its 44 px column. */
export function formatAxis(value, step) {
  const size = Math.abs(value);
  if (size >= 100_000) return minus(compact.format(value));
  if (size > 0 && Math.abs(step) < 1e-4) return minus(value.toExponential(1));
  return minus(numberFormat(stepDecimals(step)).format(value === 0 ? 0 : value));
}

/** "now", "2 s ago", "3 min ago", "5 h ago", "12 d ago". */
export function ago(spanMs) {
  return spanMs < 1_500 ? "now" : `${span(spanMs)} ago`;
}

/** "2 s", "3 min", "5 h", "12 d": a span in its largest whole unit. */
export function span(spanMs) {
  const s = Math.max(0, spanMs) / 1000;
  if (s < 59.5) return `${Math.round(s)} s`;
  if (s < 3_570) return `${Math.round(s / 60)} min`;
  if (s < 47 * 3_600) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** A bucket's width: "500 ms", "30 s", "2 min", "1.5 h", "1 d". */
export function width(spanMs) {
  const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"], [1, "ms"]];
  const [size, name] = units.find(([ms]) => spanMs >= ms) ?? units[4];
  return `${Number((spanMs / size).toFixed(1))} ${name}`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const shortClockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const weekdayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

/** 14:03:07 in the browser's time zone. */
export const clock = (t) => clockFormat.format(t);
/** 14:03 */
export const shortClock = (t) => shortClockFormat.format(t);
/** 21 Nov */
export const day = (t) => dayFormat.format(t);
/** Fri 21 Nov */
export const weekday = (t) => weekdayFormat.format(t).replace(",", "");

/** 14:03:07, or 20 Nov 14:03:07 when that was not today. */
export function instant(t, now) {
  return new Date(t).toDateString() === new Date(now).toDateString() ? clock(t) : `${day(t)} ${clock(t)}`;
}

/** `21.4 °C @ 14:03:07 (min 20.9, max 22.0, n 60)`; a single reading has no parenthesis. */
export function readout(point, { unit, decimals, now }) {
  const value = `${formatValue(point.mean, decimals)}${unit ? ` ${unit}` : ""} @ ${instant(point.t, now)}`;
  if (point.n <= 1) return value;
  return `${value} (min ${formatValue(point.min, decimals)}, max ${formatValue(point.max, decimals)}, n ${point.n})`;
}
