// The REST API as functions. Answers are JSON; errors are RFC 9457 problems and become an ApiError with their words.

export class ApiError extends Error {
  name = "ApiError";

  /** `status` is the HTTP status, 0 when no answer came. */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Longer addresses are refused by some servers and proxies. */
const LONGEST_QUERY = 3_500;
const MOST_SERIES = 40;

/** The query of one series request. `from` and `to` are what the API takes: `now-1h`, `now` or epoch ms. */
export function seriesQuery(lines, { from, to, maxPoints }) {
  const params = new URLSearchParams();
  for (const { device, metric } of lines) {
    params.append("device", device);
    params.append("metric", metric);
  }
  params.set("from", String(from));
  params.set("to", String(to));
  params.set("max_points", String(maxPoints));
  return params.toString();
}

/** Divide lines into requests that are short enough, in their order. */
export function groupLines(lines) {
  const groups = [];
  let length = 0;
  for (const line of lines) {
    const size = encodeURIComponent(line.device).length + encodeURIComponent(line.metric).length + 16;
    if (groups.length === 0 || length + size > LONGEST_QUERY || groups.at(-1).length >= MOST_SERIES) {
      groups.push([]);
      length = 0;
    }
    groups.at(-1).push(line);
    length += size;
  }
  return groups;
}

export class Api {
  /** `base`: the address of the page; `clock`: learns the server's time from the answers. */
  constructor(base, clock, fetcher = (...args) => globalThis.fetch(...args)) {
    this.base = base;
    this.clock = clock;
    this.fetcher = fetcher;
  }

  /** Every device with its metrics and latest values. */
  async devices(signal) {
    return this.#get("devices", signal);
  }

  /** One device, as `devices` has it; none if it is not known. */
  async device(id, signal) {
    return this.#get(`devices?${new URLSearchParams({ device: id })}`, signal);
  }

  /** History of several series. */
  async series(lines, span, signal) {
    return this.#get(`series?${seriesQuery(lines, span)}`, signal);
  }

  /** The events of a span, newest first: at most `limit`. `device` and `kind` may be given. */
  async events({ start, end, device = null, kind = null, limit }, signal) {
    const params = new URLSearchParams({ from: String(start), to: String(end), limit: String(limit) });
    if (device !== null) params.set("device", device);
    if (kind !== null) params.set("kind", kind);
    return this.#get(`events?${params}`, signal);
  }

  async #get(path, signal) {
    const sent = this.clock.localNow();
    let response;
    try {
      response = await this.fetcher(new URL(`api/v1/${path}`, this.base), {
        headers: { Accept: "application/json" },
        signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server does not answer.", 0);
    }
    if (!response.ok) throw new ApiError(await problem(response), response.status);
    let answer;
    try {
      answer = await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The server's answer was cut off or is not JSON.", response.status);
    }
    this.clock.learn(answer.now, sent, this.clock.localNow());
    return answer;
  }
}

async function problem(response) {
  try {
    const body = await response.json();
    const text = body.detail || body.title;
    if (text) return String(text);
  } catch {
    // Not every error comes from the application: a proxy answers with a page of its own.
  }
  return `The server answered ${response.status} ${response.statusText}`.trim() + ".";
}
