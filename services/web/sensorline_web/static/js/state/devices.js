// Every device and metric the page knows, with its latest value. Maps throughout: a device may be called `__proto__`.
import { decimalsFor } from "../format.js";
import { byName } from "../names.js";

export class DeviceStore {
  /** Changes when devices or series appear or their facts change; values alone do not count. */
  version = 0;
  #devices = new Map();

  get size() {
    return this.#devices.size;
  }

  get seriesCount() {
    let count = 0;
    for (const device of this.#devices.values()) count += device.metrics.size;
    return count;
  }

  /** All devices, by name. */
  list() {
    return [...this.#devices.values()].sort((a, b) => byName(a.title, b.title) || byName(a.id, b.id));
  }

  get(id) {
    return this.#devices.get(id) ?? null;
  }

  metric(device, metric) {
    return this.#devices.get(device)?.metrics.get(metric) ?? null;
  }

  /** Take the answer of GET devices. Devices that are gone there are gone here, unless they were heard live. */
  load(entries) {
    const known = new Set(entries.map((entry) => entry.device));
    for (const [id, device] of this.#devices) if (!known.has(id) && !device.heardLive) this.#devices.delete(id);
    for (const entry of [...entries].sort((a, b) => byName(a.name ?? a.device, b.name ?? b.device))) {
      this.update(entry);
      for (const metric of entry.metrics ?? []) {
        this.describe(entry.device, metric.metric, metric);
        if (Number.isFinite(metric.value)) this.reading(entry.device, metric.metric, metric.time, metric.value, { heard: false });
      }
    }
    this.version += 1;
  }

  /** Take a device's facts: an entry of GET devices or a `device` event. Returns true if the device is new. */
  update(entry) {
    const isNew = !this.#devices.has(entry.device);
    const device = this.#ensure(entry.device);
    device.name = entry.name ?? null;
    device.title = entry.name || entry.device;
    device.location = entry.location ?? null;
    device.status = entry.status ?? "unknown";
    device.statusAt = entry.status_at ?? null;
    device.lastSeen = latest(device.lastSeen, entry.last_seen ?? null);
    device.intervalMs = entry.interval_s > 0 ? entry.interval_s * 1000 : null;
    device.simulated = Boolean(entry.simulated);
    // A live word on a device has no account: the last one known stays.
    if (entry.account !== undefined) device.account = entry.account;
    this.version += 1;
    return isNew;
  }

  /** Take a series' facts: unit and display name. Returns true if the series is new. */
  describe(deviceId, metricId, { unit = null, name = null }) {
    const device = this.#ensure(deviceId);
    const metric = device.metrics.get(metricId);
    if (metric && metric.unit === unit && metric.name === name) return false;
    if (metric) Object.assign(metric, { unit, name });
    else device.metrics.set(metricId, { id: metricId, unit, name, time: null, value: null, decimals: 0 });
    this.version += 1;
    return !metric;
  }

  /** Take a reading. `heard`: the device's last-seen moment in server ms, or false. Returns true for a new series. */
  reading(deviceId, metricId, time, value, { heard }) {
    const isNew = !this.metric(deviceId, metricId);
    if (isNew) this.describe(deviceId, metricId, {});
    const device = this.#devices.get(deviceId);
    const metric = device.metrics.get(metricId);
    if (heard !== false) {
      learnInterval(device, heard);
      device.heardLive = true;
      device.lastSeen = latest(device.lastSeen, heard);
    }
    // A late reading fills the chart; the latest value stays the latest.
    if (metric.time !== null && time < metric.time) return isNew;
    metric.time = time;
    metric.value = value;
    metric.decimals = Math.max(metric.decimals, decimalsFor(value, metric.unit));
    return isNew;
  }

  /** Learn a series' decimals from readings of its history, so that 5.0 beside 5.1 does not stand as 5. */
  learnDecimals(deviceId, metricId, values) {
    const metric = this.metric(deviceId, metricId);
    if (!metric) return;
    for (const value of values) metric.decimals = Math.max(metric.decimals, decimalsFor(value, metric.unit));
  }

  #ensure(id) {
    let device = this.#devices.get(id);
    if (!device) {
      device = {
        id, title: id, name: null, location: null, status: "unknown", statusAt: null, lastSeen: null, intervalMs: null,
        learnedIntervalMs: null, simulated: false, account: null, heardLive: false, metrics: new Map(), colour: null,
      };
      this.#devices.set(id, device);
    }
    return device;
  }

  /** The number that chooses a device's colour: given when first drawn, the same until the page is left. */
  colourOf(id) {
    const device = this.#ensure(id);
    if (device.colour === null) {
      const taken = new Set([...this.#devices.values()].map((other) => other.colour));
      device.colour = 0;
      while (taken.has(device.colour)) device.colour += 1;
    }
    return device.colour;
  }
}

function latest(a, b) {
  if (a === null) return b;
  return b === null ? a : Math.max(a, b);
}

/** A device that does not promise an interval shows it: the pause between messages, averaged, forgetting slowly. */
function learnInterval(device, heard) {
  const pause = device.lastSeen === null ? 0 : heard - device.lastSeen;
  // Metrics of one message arrive together; that is no pause.
  if (pause < 200) return;
  device.learnedIntervalMs = device.learnedIntervalMs === null ? pause : 0.7 * device.learnedIntervalMs + 0.3 * pause;
}
