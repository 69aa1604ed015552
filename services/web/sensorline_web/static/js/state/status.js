// A device's status in one word, from what it said (online, offline) and from when it was last heard.

const INTERVALS = 3;
const SHORTEST_MS = 10_000;

/** Without any known interval, a device that spoke within this time counts as online. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Return "online", "stale", "offline" or "unknown".
 *
 * The last will's word "offline" holds until the device is heard again. Online turns into stale when nothing came for
 * three intervals. A device that never announces itself is judged by its readings alone.
 */
export function statusOf(device, now) {
  const heard = device.lastSeen;
  if (device.status === "offline" && !(heard > (device.statusAt ?? 0) + 2_000)) return "offline";
  const interval = device.intervalMs ?? device.learnedIntervalMs;
  const patience = interval ? Math.max(INTERVALS * interval, SHORTEST_MS) : PATIENCE_MS;
  if (heard !== null && now - heard <= patience) return "online";
  if (interval || device.status === "online") return heard === null ? "unknown" : "stale";
  return device.status === "offline" ? "offline" : "unknown";
}

export const STATUS_WORDS = new Map([
  ["online", "Online"],
  ["stale", "Stale"],
  ["offline", "Offline"],
  ["unknown", "Unknown"],
]);
