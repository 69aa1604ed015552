// What of the page's state stands in its address, so that a link or a reload shows the same: #range=1h&device=desk
import { DEFAULT_RANGE, rangeById } from "./ranges.js";

/** Read an address's hash. Unknown ranges become the default; devices are kept in order, each once. */
export function parseHash(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  return {
    range: rangeById(params.get("range")).id,
    devices: [...new Set(params.getAll("device").filter(Boolean))],
  };
}

/** The hash for a state; empty for the state that a bare address shows. */
export function formatHash({ range, devices }) {
  const params = new URLSearchParams();
  if (range !== DEFAULT_RANGE) params.set("range", range);
  for (const device of devices) params.append("device", device);
  const text = params.toString();
  return text ? `#${text}` : "";
}
