// Loads the history of many series in as few requests as fit. A new load replaces a running one; late answers are dropped.
import { groupLines } from "./api.js";

/** Requests under way at once: the browser has six connections, and live needs one. */
const AT_ONCE = 3;

export class HistoryLoader {
  #generation = 0;
  #abort = null;

  constructor(api) {
    this.api = api;
  }

  get loading() {
    return this.#abort !== null;
  }

  /** Drop the running load, if any. */
  cancel() {
    this.#generation += 1;
    this.#abort?.abort();
    this.#abort = null;
  }

  /**
   * Load `lines` (those first in the list first) over `span`.
   *
   * `onAnswer(line, series, answer)` and `onError(line, error)` are called once a line, unless another load began.
   * Returns true when this load ran to its end.
   */
  async load(lines, span, { onAnswer, onError }) {
    this.cancel();
    const generation = this.#generation;
    const abort = new AbortController();
    this.#abort = abort;
    const groups = groupLines(lines);
    const current = () => generation === this.#generation;
    const work = async () => {
      while (groups.length > 0 && current()) await this.#loadGroup(groups.shift(), span, { onAnswer, onError, abort, current, groups });
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, groups.length) }, work));
    if (!current()) return false;
    this.#abort = null;
    return true;
  }

  async #loadGroup(group, span, { onAnswer, onError, abort, current, groups }) {
    let answer;
    try {
      answer = await this.api.series(group, span, abort.signal);
    } catch (error) {
      if (!current()) return;
      // One refused series must not take the others along: ask for each metric on its own.
      const parts = error.status >= 400 && error.status < 500 ? byMetric(group) : [];
      if (parts.length > 1) groups.unshift(...parts);
      else for (const line of group) onError(line, error);
      return;
    }
    if (!current()) return;
    const found = new Map(answer.series.map((series) => [JSON.stringify([series.device, series.metric]), series]));
    for (const line of group) {
      const series = found.get(JSON.stringify([line.device, line.metric]));
      if (series) onAnswer(line, series, answer);
      else onError(line, new Error("The server's answer lacks this series."));
    }
  }
}

function byMetric(group) {
  const parts = new Map();
  for (const line of group) {
    const part = parts.get(line.metric);
    if (part) part.push(line);
    else parts.set(line.metric, [line]);
  }
  return [...parts.values()];
}
