// The live connection: Socket.IO, namespace /livefeed. Knows the wire's shapes, decides nothing.

const ACK_MS = 5_000;

export class LiveFeed {
  /** Reconnection attempts since the connection broke. */
  attempt = 0;
  /** "connecting" | "connected" | "lost" */
  phase = "connecting";

  /**
   * `io`: the Socket.IO client's function; `base`: the address of the page. Handlers: `phase(phase)`, `frame(frame)`,
   * `device(entry)`, `metric(entry)`, `state(state)`, `event(event)` where data may be missing.
   */
  constructor(io, base, handlers) {
    this.handlers = handlers;
    this.socket = io(new URL("/livefeed", base).href, {
      path: new URL("socket.io", base).pathname,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 8_000,
      timeout: 8_000,
    });
    this.socket.on("connect", () => this.#enter("connected", 0));
    this.socket.on("disconnect", (reason) => {
      this.#enter("lost", this.attempt);
      // The client does not come back by itself when the server closed the connection on purpose.
      if (reason === "io server disconnect") setTimeout(() => this.socket.connect(), 2_000);
    });
    this.socket.on("connect_error", () => this.#enter("lost", this.attempt + 1));
    for (const name of ["frame", "device", "metric", "state", "event"]) {
      this.socket.on(name, (message) => this.handlers[name](message));
    }
  }

  #enter(phase, attempt) {
    this.attempt = attempt;
    this.phase = phase;
    this.handlers.phase(phase);
  }

  /** Say what to send: `{all: true}` or `{series: [[device, metric], …]}`. Resolves to true when the server agreed. */
  async watch(wish) {
    if (!this.socket.connected) return false;
    try {
      const answer = await this.socket.timeout(ACK_MS).emitWithAck("watch", wish);
      return answer?.ok !== false;
    } catch {
      return false;
    }
  }

  /** Nothing more, please: the tab is hidden. */
  unwatch() {
    if (this.socket.connected) this.socket.emit("unwatch", {});
  }
}
