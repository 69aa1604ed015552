// A device's page: asks for its facts, its book and its events, keeps them live, and says what cannot be loaded.
import { connectionPill } from "./state/connection.js";
import { DeviceStore } from "./state/devices.js";
import { EventSet } from "./state/events.js";

/** Books are written at most so often. */
const BOOK_MS = 10_000;
const RETRY_MS = 5_000;
/** After an event its book follows at once; several events ask together. */
const SOON_MS = 500;
const EVENTS = 100;
/** One connection may name so many series. */
const WATCH_MOST = 500;
const RENDER_MS = 250;
const UNWATCH_AFTER_MS = 10_000;

export class DevicePage {
  store = new DeviceStore();
  events = new EventSet();
  #broker = { state: null, since: null };
  #hidden = document.hidden;
  #timer = 0;
  #renderTimer = 0;
  #hideTimer = 0;
  #kind = null;
  #watched = "";
  #loaded = false;
  #eventsLoaded = false;
  #problem = null;
  #more = false;

  /** `id`: the device; `head`, `book`, `values`, `list`, `health`, `pill`: the views. */
  constructor(parts) {
    Object.assign(this, parts);
  }

  start(live) {
    this.live = live;
    setInterval(() => this.#render(), 1_000);
    return this.load();
  }

  get device() {
    return this.store.get(this.id);
  }

  // --- what is loaded ------------------------------------------------------------------------------------------

  /** Ask for facts, values and book, now and from time to time. */
  async load() {
    clearTimeout(this.#timer);
    let wait = BOOK_MS;
    try {
      const { devices } = await this.api.device(this.id);
      this.store.load(devices);
      this.#loaded = true;
      this.#problem = null;
      this.#watch();
      if (!this.#eventsLoaded) this.loadEvents();
    } catch (error) {
      this.#problem = error.message;
      wait = RETRY_MS;
    }
    this.#render();
    this.#loadIn(wait);
  }

  #loadIn(ms) {
    clearTimeout(this.#timer);
    if (!this.#hidden) this.#timer = setTimeout(() => this.load(), ms);
  }

  async loadEvents() {
    const { stamp } = this.events;
    const kind = this.#kind;
    try {
      const { events } = await this.api.events({ start: 0, end: "now", device: this.id, kind, limit: EVENTS });
      this.events.load(events, { from: 0, to: Infinity, stamp, whole: events.length < EVENTS && kind === null });
      this.#eventsLoaded = true;
      this.#more = events.length >= EVENTS;
    } catch (error) {
      this.#problem = error.message;
    }
    this.#render();
  }

  /** Ask for events before the oldest that are shown. */
  async loadOlder() {
    const oldest = this.#shown.at(-1);
    if (!oldest) return;
    try {
      const { events } = await this.api.events({ start: 0, end: Math.ceil(oldest.start) + 1, device: this.id, kind: this.#kind, limit: EVENTS });
      const before = this.events.size;
      this.events.load(events, { from: 0, to: oldest.start, stamp: this.events.stamp, whole: false });
      this.#more = events.length >= EVENTS && this.events.size > before;
    } catch (error) {
      this.#problem = error.message;
    }
    this.#render();
  }

  /** Show events of this kind only; null: all. */
  setKind(kind) {
    this.#kind = kind;
    this.#render();
    this.loadEvents();
  }

  /** The events shown, newest first. */
  get #shown() {
    const mine = this.events.within(-Infinity, Infinity, new Set([this.id]));
    return mine.filter((event) => this.#kind === null || event.kind === this.#kind).reverse();
  }

  // --- live ----------------------------------------------------------------------------------------------------

  /** Handlers for the LiveFeed. */
  get liveHandlers() {
    return {
      phase: (phase) => {
        if (phase === "connected") {
          this.#watched = "";
          this.health.restart(this.clock.now());
          if (this.#loaded && !this.#hidden) this.#catchUp();
        }
        this.#render();
      },
      frame: ({ t, series }) => {
        for (const [device, metric, times, values] of series) {
          if (device !== this.id) continue;
          for (let i = 0; i < times.length; i += 1) this.store.reading(device, metric, times[i], values[i], { heard: t });
        }
        this.#renderSoon();
      },
      device: (entry) => {
        if (entry.device !== this.id) return;
        this.store.update(entry);
        this.#renderSoon();
      },
      metric: (entry) => {
        if (entry.device === this.id) this.#loadIn(SOON_MS);
      },
      event: (event) => {
        if (event?.device !== this.id && event?.device !== "") return;
        this.events.apply(event);
        this.#renderSoon();
        this.#loadIn(SOON_MS);
      },
      state: ({ broker, since, ingest }) => {
        this.#broker = { state: broker, since };
        this.health.note(ingest ?? null, this.clock.now());
        this.#renderSoon();
      },
    };
  }

  #catchUp() {
    this.load();
    this.loadEvents();
  }

  /** Watch this device's series, when they are others than those watched. */
  async #watch() {
    if (this.live?.phase !== "connected") return;
    const metrics = [...(this.device?.metrics.keys() ?? [])].slice(0, WATCH_MOST);
    const wish = JSON.stringify(metrics);
    if (wish === this.#watched || metrics.length === 0) return;
    this.#watched = wish;
    if (!(await this.live.watch({ series: metrics.map((metric) => [this.id, metric]) }))) this.#watched = "";
  }

  /** A hidden tab asks for nothing, and soon nothing is sent to it. */
  setHidden(hidden) {
    this.#hidden = hidden;
    clearTimeout(this.#timer);
    clearTimeout(this.#hideTimer);
    if (!hidden) this.#catchUp();
    else {
      this.#hideTimer = setTimeout(() => {
        this.#watched = "";
        this.live.unwatch();
      }, UNWATCH_AFTER_MS);
    }
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  #renderSoon() {
    this.#renderTimer ||= setTimeout(() => {
      this.#renderTimer = 0;
      this.#render();
    }, RENDER_MS);
  }

  #render() {
    if (!this.live || this.#hidden) return;
    const now = this.clock.now();
    const { device } = this;
    this.head.render(device, { now, loaded: this.#loaded, problem: this.#problem });
    this.book.render(device, this.#loaded);
    this.values.render(device, now, this.#loaded);
    this.list.render(this.#shown, { now, kind: this.#kind, loaded: this.#eventsLoaded, problem: this.#problem, more: this.#more });
    const connected = this.live.phase === "connected" && this.#broker.state === "connected";
    this.health.render({ connected, devices: [], now });
    this.pill.show(connectionPill({
      socket: this.live.phase, attempt: this.live.attempt, online: navigator.onLine, broker: this.#broker.state, brokerSince: this.#broker.since, now,
    }));
  }

  /** What the page shows, for tests and for the curious. */
  state() {
    return { device: this.id, loaded: this.#loaded, account: this.device?.account ?? null, events: this.#shown, kind: this.#kind };
  }
}
