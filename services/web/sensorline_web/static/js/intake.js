// How data get onto the page: the devices, the history, the live readings, and how these fit together after a break.
import { HistoryLoader } from "./history.js";
import { refreshPeriod } from "./state/ranges.js";

/** With more series than this, only those on the charts are watched; the rail's others are asked for now and then. */
const WATCH_ALL_UP_TO = 400;
const RETRY_MS = 5_000;
const DEVICES_MS = 15_000;
const UNWATCH_AFTER_MS = 10_000;
const SETTLE_MS = 2_500;

export class Intake {
  started = false;
  hidden = document.hidden;
  broker = { state: null, since: null, ingest: null };
  /** True from the click on Resume until the history is there: readings are taken, but not drawn yet. */
  resuming = false;
  #devicesTimer = 0;
  #devicesLoad = null;
  #devicesAt = 0;
  #refreshTimer = 0;
  #hideTimer = 0;
  #settleTimer = 0;
  #holeTimer = 0;
  #connected;
  #onConnected;

  /**
   * `page` is told: `structure({ask})` (devices or series changed; `ask`: their facts are not known), `dirty()` (the
   * charts), `values()` (the rail), `pill()`, `ingest()` (its status came), `connected()`, `failed(message)` (line), `lineError(line, message)`; and asked:
   * `lines()`, `plotWidth()`.
   */
  constructor({ api, clock, store, series, losses, timeline, page }) {
    Object.assign(this, { api, clock, store, series, losses, timeline, page });
    this.history = new HistoryLoader(api);
    this.#connected = new Promise((done) => { this.#onConnected = done; });
  }

  /** Begin. A live connection that is there at once saves a second request for history; a slow one is not waited for. */
  async start(live) {
    this.live = live;
    await Promise.race([this.#connected, new Promise((done) => setTimeout(done, 700))]);
    await this.loadDevices();
  }

  /** Ask for all devices; while one request is under way, everybody waits for that one. Tried again until it works. */
  loadDevices() {
    clearTimeout(this.#devicesTimer);
    this.#devicesLoad ??= this.#fetchDevices().finally(() => { this.#devicesLoad = null; });
    return this.#devicesLoad;
  }

  async #fetchDevices() {
    let devices;
    try {
      ({ devices } = await this.api.devices());
    } catch (error) {
      if (!this.started) this.page.failed(error.message);
      this.#devicesTimer = setTimeout(() => this.loadDevices(), RETRY_MS);
      return;
    }
    this.#devicesAt = this.clock.now();
    this.store.load(devices);
    this.started = true;
    this.page.structure({ now: true });
  }

  // --- history -------------------------------------------------------------------------------------------------

  /** Load what the lines on the page lack. */
  loadMissing() {
    const lines = this.page.lines();
    const missing = this.series.missing(lines);
    if (missing.length > 0) this.loadHistory(this.history.loading ? lines : missing);
  }

  async loadHistory(lines = this.page.lines()) {
    clearTimeout(this.#refreshTimer);
    this.losses.load();
    // A point for each pixel and a quarter: more cannot be told apart.
    const maxPoints = Math.round(Math.min(2_000, Math.max(120, this.page.plotWidth() / 1.25)));
    const done = await this.history.load(lines, { ...this.timeline.span(), maxPoints }, {
      onAnswer: (line, series, answer) => {
        this.series.load(line, series, answer.now);
        // The greatest value of a bucket is a reading; its mean is not.
        this.store.learnDecimals(line.device, line.metric, series.max.slice(-20));
        this.#settle(line, null);
      },
      onError: (line, error) => this.#settle(line, error.message),
    });
    if (!done) return;
    this.resuming = false;
    this.page.dirty();
    this.#refreshLater();
  }

  #settle(line, error) {
    this.timeline.arrived();
    this.page.lineError(line, error);
    this.page.dirty();
  }

  #refreshLater() {
    clearTimeout(this.#refreshTimer);
    const wait = this.page.anyError() ? 3 * RETRY_MS : refreshPeriod(Math.max(0, ...this.series.bucketWidths));
    // Many browsers that opened together should not ask together.
    this.#refreshTimer = setTimeout(() => {
      if (this.hidden || this.timeline.paused) this.#refreshLater();
      else this.loadHistory();
    }, wait * (0.9 + 0.2 * Math.random()));
  }

  /** Once a second: what time alone makes necessary. */
  tick() {
    if (this.hidden) return;
    if (this.series.overfull && !this.history.loading && !this.timeline.paused) this.loadHistory();
    if (this.store.seriesCount > WATCH_ALL_UP_TO && this.clock.now() - this.#devicesAt > DEVICES_MS) this.loadDevices();
  }

  // --- live ----------------------------------------------------------------------------------------------------

  /** Handlers for the LiveFeed. */
  get liveHandlers() {
    return {
      phase: (phase) => {
        if (phase === "connected") this.page.connected();
        this.page.pill();
        if (phase === "connected" && !this.hidden) this.catchUp();
      },
      frame: (frame) => this.#onFrame(frame),
      device: (entry) => {
        this.store.update(entry);
        this.page.structure({});
      },
      metric: ({ device, metric, unit, name }) => {
        this.store.describe(device, metric, { unit: unit ?? null, name: name ?? null });
        this.page.structure({ ask: this.store.get(device).lastSeen === null });
      },
      event: (event) => this.losses.apply(event),
      state: ({ broker, since, ingest }) => {
        this.broker = { state: broker, since, ingest: ingest ?? null };
        this.page.ingest();
        this.page.pill();
      },
    };
  }

  /** Watch first, then load: what comes in between is in both, and the merge knows it. */
  async catchUp() {
    clearTimeout(this.#settleTimer);
    const watching = await this.watch();
    this.#onConnected();
    if (!watching) {
      // The server was busy: without the watch nothing comes live, however green the connection looks.
      if (this.live.phase === "connected" && !this.hidden) this.#settleTimer = setTimeout(() => this.catchUp(), RETRY_MS);
      return;
    }
    if (!this.started) return;
    await this.loadDevices();
    if (!this.timeline.paused) this.loadHistory();
    this.#settleLater();
  }

  /** Load once more: what came just before the page began to keep readings may have been on its way into the store. */
  #settleLater() {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = setTimeout(() => {
      if (!this.hidden && !this.timeline.paused) this.loadHistory();
    }, SETTLE_MS);
  }

  async watch() {
    const all = this.store.seriesCount <= WATCH_ALL_UP_TO;
    const wish = all ? { all: true } : { series: this.page.lines().map(({ device, metric }) => [device, metric]) };
    const asked = this.clock.now();
    const agreed = await this.live.watch(wish);
    if (agreed) this.series.watchedAt = asked;
    return agreed;
  }

  /** The lines on the page are others: tell the server, if it sends only those. */
  linesChanged() {
    if (this.store.seriesCount > WATCH_ALL_UP_TO) this.watch();
  }

  #onFrame({ t: at, series, missed }) {
    let count = 0;
    let unknown = false;
    // A hidden or paused page keeps nothing; it loads history when it goes on.
    const keep = !this.hidden && !this.timeline.paused;
    for (const [device, metric, times, values, own] of series) {
      for (let i = 0; i < times.length; i += 1) {
        unknown = this.store.reading(device, metric, times[i], values[i], { heard: at }) || unknown;
      }
      count += times.length;
      if (keep) this.series.add(device, metric, times, values, own, at);
    }
    if (unknown) this.page.structure({ ask: true });
    if (missed) this.#fillHole();
    if (this.hidden) return;
    if (keep) this.page.dirty();
    else this.timeline.missed += count;
    this.page.values();
  }

  /** This browser did not keep up, and the server left frames out: once they are stored, history has their readings. */
  #fillHole() {
    this.#holeTimer ||= setTimeout(() => {
      this.#holeTimer = 0;
      if (!this.hidden && !this.timeline.paused) this.loadHistory();
    }, SETTLE_MS);
  }

  // --- pauses --------------------------------------------------------------------------------------------------

  /** Go on after a pause: from history, with what comes meanwhile. */
  resume() {
    this.timeline.resume();
    this.resuming = this.page.lines().length > 0;
    this.loadHistory();
    this.#settleLater();
  }

  /** The tab is hidden or visible again. */
  setHidden(hidden) {
    this.hidden = hidden;
    clearTimeout(this.#hideTimer);
    if (hidden) this.#hideTimer = setTimeout(() => this.live.unwatch(), UNWATCH_AFTER_MS);
    else this.catchUp();
  }
}
