// What the connection pill says: one state, one word or two, one sentence.
import { span } from "../format.js";

/**
 * `socket`: "connecting" | "connected" | "lost"; `attempt`: reconnection attempts so far; `online`: the browser has a
 * network; `broker`: "connected" | "disconnected" | null; `paused`: the person holds the charts, `past`: in the past.
 */
export function connectionPill({ socket, attempt = 0, online = true, broker = null, brokerSince = null, paused = false, past = false, now = 0 }) {
  if (!online) return { kind: "bad", words: "Offline", detail: "This browser has no network connection." };
  if (socket === "connecting") return { kind: "wait", words: "Connecting", detail: "Opening the live connection." };
  if (socket === "lost") {
    if (attempt > 4) return { kind: "bad", words: "Offline", detail: "The server does not answer; still trying." };
    return { kind: "wait", words: "Reconnecting", detail: "The live connection broke; trying again." };
  }
  if (broker === "disconnected") {
    const since = brokerSince === null ? "" : ` for ${span(now - brokerSince)}`;
    return { kind: "bad", words: "Broker unreachable", detail: `The server has had no connection to the MQTT broker${since}.` };
  }
  if (past) return { kind: "past", words: "In the past", detail: "The charts show an earlier time; Resume leads back to now." };
  if (paused) return { kind: "held", words: "Paused", detail: "The charts hold still; readings are still stored." };
  return { kind: "ok", words: "Live", detail: "Readings appear as they arrive." };
}
