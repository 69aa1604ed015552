// What stands in a plot's place while there is nothing to plot: loading, nothing there, or an error with its reason.
import { formatValue, span } from "../format.js";
import { rangeReaching } from "../state/ranges.js";
import { el, icon } from "./dom.js";

/** The skeleton: axis lines without numbers. */
export function loadingFace() {
  return el("div", { class: "face" }, el("div", { class: "skeleton", "aria-hidden": "true" }), el("span", { class: "face-words", text: "Loading…" }));
}

/** No readings in this range (`rangeWords`: "last hour"); says where the latest one is and offers the range that reaches it. */
export function emptyFace({ rangeWords, latest, unit, now, onRange }) {
  const face = el("div", { class: "face" }, el("strong", { text: `No readings in the ${rangeWords}` }));
  if (!latest) {
    face.append(el("p", { text: "The next reading appears here as soon as it arrives." }));
    return face;
  }
  const value = `${formatValue(latest.value, latest.decimals)}${unit ? ` ${unit}` : ""}`;
  face.append(el("p", { text: `The latest is ${value}, ${span(now - latest.time)} ago.` }));
  const range = rangeReaching(now - latest.time);
  if (range) face.append(el("button", { class: "button", type: "button", text: `Show the last ${range.words}`, on: { click: () => onRange(range.id) } }));
  return face;
}

/** The reason in words, and a way to try again. */
export function errorFace({ reason, onRetry }) {
  return el(
    "div", { class: "face", role: "alert" }, icon("warn"),
    el("strong", { text: "History could not be loaded" }), el("p", { text: reason }),
    el("button", { class: "button", type: "button", text: "Retry", on: { click: onRetry } }),
  );
}
