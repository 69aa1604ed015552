// Time labels at round local times: at full minutes, hours or days, wherever the window begins.
import { clock, day, shortClock, weekday } from "../format.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 3, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28, 91, 364].map((n) => n * DAY),
];

/** The smallest step that puts at most `most` labels into `spanMs`. */
export function tickStep(spanMs, most) {
  return STEPS.find((step) => Math.floor(spanMs / step) + 1 <= most) ?? STEPS.at(-1);
}

/** Label instants within [from, to]: at most `most`, at round local times, right across a change of the clocks. */
export function timeTicks(from, to, most = 6) {
  if (!(to > from)) return [];
  for (let i = STEPS.indexOf(tickStep(to - from, most)); i < STEPS.length; i += 1) {
    const ticks = STEPS[i] < HOUR ? minuteTicks(from, to, STEPS[i]) : calendarTicks(from, to, STEPS[i]);
    if (ticks.length <= most) return ticks;
  }
  return [];
}

function minuteTicks(from, to, step) {
  // Offsets from UTC may be a quarter of an hour, so rounding happens in local time.
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks = [];
  for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) ticks.push(t);
  return ticks;
}

function calendarTicks(from, to, step) {
  const start = new Date(from);
  const ticks = [];
  const days = step / DAY;
  // Whole days count from a fixed Monday (5 January 1970), so that the labels stay where they are while the window
  // slides, and weeks begin on Mondays.
  let date = start.getDate();
  if (days >= 1) date -= (Date.UTC(start.getFullYear(), start.getMonth(), date) / DAY - 4) % days;
  for (let i = 0; i < 2_000; i += 1) {
    const hour = days >= 1 ? 0 : (i * step) / HOUR;
    const t = new Date(start.getFullYear(), start.getMonth(), date + (days >= 1 ? i * days : 0), hour).getTime();
    if (t > to) break;
    if (t >= from && t !== ticks.at(-1)) ticks.push(t);
  }
  return ticks;
}

/** The words of a label: a clock time, or a date where a day begins. */
export function tickLabel(t, step) {
  if (step >= DAY) return day(t);
  if (step < MINUTE) return clock(t);
  const local = new Date(t);
  return local.getHours() === 0 && local.getMinutes() === 0 && step >= HOUR ? weekday(t) : shortClock(t);
}
