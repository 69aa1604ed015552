// Before the first device: what to type to see one. After a failed start: why, and again.
import { el, icon } from "./dom.js";

/** The line that publishes a first reading, exactly as a shell takes it. */
export function publishCommand(host, port) {
  return `mosquitto_pub -h ${host || "localhost"} -p ${port || 1883} -t sensors/desk/temperature -m 21.5`;
}

/** The words for a page without devices. */
export function firstRun(host, port) {
  const command = publishCommand(host, port);
  const said = el("span", { class: "button-text", text: "Copy" });
  const copy = el("button", { class: "button", type: "button", "aria-label": "Copy the command" }, icon("copy"), said);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      said.textContent = "Copied";
    } catch {
      // Without HTTPS there is no clipboard; the text is selected as a whole with one click.
      said.textContent = "Select it";
      getSelection()?.selectAllChildren(copy.previousElementSibling);
    }
  });
  return el(
    "section", { class: "first-run" },
    el("h2", { text: "Waiting for the first reading" }),
    el("p", { text: "Anything published below sensors/ on the broker appears here by itself. Try it from a shell:" }),
    el("div", { class: "command" }, el("code", { text: command }), copy),
    el("p", { text: "The topic is sensors/<device>/<metric>; the payload is a number, or JSON with a value, a unit and a time." }),
  );
}

/** The words for a page that could not load its devices. */
export function startFailed(reason, onRetry) {
  return el(
    "section", { class: "first-run", role: "alert" },
    el("h2", { text: "The devices could not be loaded" }), el("p", { text: `${reason} Trying again every few seconds.` }),
    el("button", { class: "button", type: "button", text: "Retry now", on: { click: onRetry } }),
  );
}
