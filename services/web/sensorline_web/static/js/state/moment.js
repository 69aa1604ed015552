// Which view of the charts shows an event: a range three times as long, with the event in the middle where there is room.
import { formatHash } from "./address.js";
import { RANGES } from "./ranges.js";

/** The `{range, at}` that shows the span from `start` to `end` (null: goes on); `at` null: the view ends now. */
export function viewOf({ start, end }, now) {
  const until = Math.min(end ?? now, now);
  const range = RANGES.find(({ ms }) => ms >= 3 * (until - start)) ?? RANGES.at(-1);
  const at = Math.round((start + until) / 2 + range.ms / 2);
  if (end !== null && at < now) return { range: range.id, at };
  const reaching = RANGES.find(({ ms }) => ms >= 1.2 * (now - start)) ?? RANGES.at(-1);
  return { range: RANGES.indexOf(reaching) > RANGES.indexOf(range) ? reaching.id : range.id, at: null };
}

/** The address of the charts with an event; one that concerns all devices shows all. `device`: whose page the link is on. */
export function eventAddress(root, event, now, device = event.device) {
  return root + formatHash({ ...viewOf(event, now), devices: device ? [device] : [] });
}
