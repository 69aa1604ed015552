// The server's clock, as seen from here. Readings carry the server's time; the browser's clock may be minutes off.

export class ServerClock {
  #offset = 0;
  #bestTrip = Infinity;

  constructor(localNow = () => Date.now()) {
    this.localNow = localNow;
  }

  /** Learn from an answer: the server said `serverNow` somewhere between `sent` and `received` (local ms). */
  learn(serverNow, sent, received) {
    if (!Number.isFinite(serverNow)) return;
    const trip = received - sent;
    const offset = serverNow - (sent + received) / 2;
    // A quick answer pins the offset down best. A large jump means that a clock was set, so it always counts.
    if (trip <= this.#bestTrip || Math.abs(offset - this.#offset) > trip + 1_000) {
      this.#bestTrip = trip;
      this.#offset = offset;
    }
  }

  /** Milliseconds since the epoch by the server's clock. */
  now() {
    return this.localNow() + this.#offset;
  }
}
