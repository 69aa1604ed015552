// What of the page's state stands in its address, so that a link or a reload shows the same: #range=1h&device=desk
import { DEFAULT_RANGE, rangeById } from "./ranges.js";

/** Later than the year 2200 no chart ends. */
const LATEST_MS = 7_258_118_400_000;

/**
 * Read an address's hash. Unknown ranges become the default; devices are kept in order, each once; `at` is the instant at
 * which the charts end and hold still (epoch ms), null for those that end now.
 */
export function parseHash(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const at = /^\d{1,13}$/.test(params.get("at") ?? "") ? Number(params.get("at")) : null;
  return {
    range: rangeById(params.get("range")).id,
    devices: [...new Set(params.getAll("device").filter(Boolean))],
    at: at !== null && at < LATEST_MS ? at : null,
  };
}

/** The hash for a state; empty for the state that a bare address shows. */
export function formatHash({ range, devices, at = null }) {
  const params = new URLSearchParams();
  if (range !== DEFAULT_RANGE) params.set("range", range);
  for (const device of devices) params.append("device", device);
  if (at !== null) params.set("at", String(Math.round(at)));
  const text = params.toString();
  return text ? `#${text}` : "";
}

/** The address of a device's own page; `root` is the dashboard's. */
export function deviceAddress(root, device) {
  const levels = device.split("/");
  // A browser takes a level `..` out of a path by itself, even in its escaped form.
  if (levels.some((level) => level === "." || level === "..")) return `${root}devices?name=${encodeURIComponent(device)}`;
  return `${root}devices/${levels.map(encodeURIComponent).join("/")}`;
}
