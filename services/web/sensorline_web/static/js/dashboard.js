// The page's behaviour: what is shown of what there is, what the person does, and when things are drawn.
import { Redraw } from "./chart/pace.js";
import { Intake } from "./intake.js";
import { Losses } from "./losses.js";
import { formatHash, parseHash } from "./state/address.js";
import { connectionPill } from "./state/connection.js";
import { panelModels } from "./state/panels.js";
import { Timeline } from "./state/timeline.js";

const RAIL_MS = 250;
/** New devices and series often come in bunches. */
const STRUCTURE_MS = 120;

export class Dashboard {
  selected = new Set();
  expanded = new Set();
  filter = "";
  models = [];
  pill = null;
  #structureTimer = 0;
  #railTimer = 0;
  #ask = false;
  #drawn = { from: 0, dirty: true };

  /** `setHash(hash)` writes the address. */
  constructor({ api, clock, store, series, hash, setHash }) {
    Object.assign(this, { clock, store, series, setHash });
    const { range, devices, at } = parseHash(hash);
    this.selected = new Set(devices);
    this.timeline = new Timeline(clock, range);
    if (at !== null) this.timeline.hold(at);
    this.redraw = new Redraw(() => this.#draw());
    const { timeline } = this;
    this.losses = new Losses({
      api, clock, timeline, onChange: () => this.changed(), onBooks: () => !this.intake.hidden && this.intake.loadDevices(),
    });
    this.intake = new Intake({ api, clock, store, series, losses: this.losses, timeline, page: this.#page() });
  }

  /** `views`: {bar, rail, panels, foot, stage, health}; `live`: the LiveFeed. */
  start(views, live) {
    Object.assign(this, views, { live });
    this.bar.setRange(this.timeline.range.id);
    this.bar.setPaused(this.timeline.paused);
    setInterval(() => this.#tick(), 1_000);
    return this.intake.start(live);
  }

  /** What the intake may tell and ask. */
  #page() {
    return {
      structure: (change) => this.#structureChanged(change),
      dirty: () => this.changed(),
      values: () => this.#renderRailSoon(),
      pill: () => this.#renderPill(),
      ingest: () => this.#noteIngest(),
      connected: () => this.health.restart(this.now),
      failed: (message) => this.stage.failed(message, () => this.intake.loadDevices()),
      lineError: (line, message) => this.panels.setError(line, message),
      anyError: () => this.panels.views.some((view) => view.error),
      lines: () => this.lines,
      plotWidth: () => this.panels.plotWidth,
    };
  }

  get lines() {
    return this.models.flatMap((model) => model.lines);
  }

  get now() {
    return this.clock.now();
  }

  #structureChanged({ ask = false, now = false }) {
    if (now) this.#restructure();
    else this.#structureSoon(ask);
  }

  #structureSoon(ask) {
    this.#ask ||= ask;
    this.#structureTimer ||= setTimeout(() => {
      this.#structureTimer = 0;
      const load = this.#ask;
      this.#ask = false;
      if (load) this.intake.loadDevices();
      else this.#restructure();
    }, STRUCTURE_MS);
  }

  /** Bring panels and buffers in line with the devices and the selection. */
  #restructure() {
    if (!this.intake.started) return;
    for (const id of this.selected) if (this.store.size > 0 && !this.store.get(id)) this.selected.delete(id);
    const before = JSON.stringify(this.lines);
    this.models = panelModels(this.store, this.selected, this.expanded);
    this.series.keep(this.lines);
    this.stage.show(this.store.size);
    this.panels.render(this.models);
    this.#renderRail();
    this.changed();
    if (JSON.stringify(this.lines) !== before) this.intake.linesChanged();
    this.intake.loadMissing();
  }

  // --- what the person does ------------------------------------------------------------------------------------

  setRange(id) {
    if (id === this.timeline.range.id) return;
    this.timeline.setRange(id);
    this.bar.setRange(id);
    this.#writeHash();
    this.changed();
    this.intake.loadHistory();
  }

  togglePause() {
    if (this.timeline.paused) this.intake.resume();
    else this.timeline.pause();
    this.#heldChanged();
  }

  /** The charts hold still or go on. */
  #heldChanged() {
    this.bar.setPaused(this.timeline.paused);
    this.#writeHash();
    this.#renderPill();
    this.changed();
  }

  /** Show what reaches back from now so far, also when the charts stand in the past. */
  showLast(id) {
    if (this.timeline.at !== null) this.togglePause();
    this.setRange(id);
  }

  /** Show one device, or all again if it was the one; `add` keeps the others. */
  select(id, add = false) {
    const only = this.selected.size === 1 && this.selected.has(id);
    if (!add) this.selected = new Set(only ? [] : [id]);
    else if (!this.selected.delete(id)) this.selected.add(id);
    this.#writeHash();
    this.#restructure();
  }

  selectAll() {
    this.selected.clear();
    this.#writeHash();
    this.#restructure();
  }

  /** Show every line of a panel. */
  expand(key) {
    this.expanded.add(key);
    this.#restructure();
  }

  search(text) {
    this.filter = text;
    this.#renderRail();
  }

  /** Go where the address says: a link was pasted. */
  followHash(hash) {
    const { range, devices, at } = parseHash(hash);
    this.selected = new Set(devices);
    const moved = at !== this.timeline.at;
    if (moved && at !== null) this.timeline.hold(at);
    else if (moved) this.timeline.resume();
    if (moved && range === this.timeline.range.id) this.intake.loadHistory();
    this.setRange(range);
    this.#heldChanged();
    this.#restructure();
  }

  #writeHash() {
    this.setHash(formatHash({ range: this.timeline.range.id, devices: [...this.selected], at: this.timeline.at }));
  }

  setHidden(hidden) {
    if (hidden === this.intake.hidden) return;
    if (hidden) this.redraw.stop();
    else this.redraw.start();
    this.intake.setHidden(hidden);
  }

  recolour() {
    this.panels.recolour();
    this.changed();
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  /** Something on the charts is different: draw soon. */
  changed() {
    this.#drawn.dirty = true;
    this.redraw.ask();
  }

  #draw() {
    if (this.intake.resuming || !this.intake.started) return false;
    const window = this.timeline.window(this.panels.plotWidth);
    // Time alone moves the charts by whole pixels.
    if (!this.#drawn.dirty && window.from - this.#drawn.from < window.pixel) return false;
    this.#drawn = { from: window.from, dirty: false };
    if (!this.timeline.paused) this.series.trim(window.from);
    const drawn = this.panels.draw({
      ...window,
      now: this.now,
      store: this.store,
      buffers: this.series.buffers,
      events: this.losses.events,
      past: this.timeline.at !== null,
      rangeWords: this.timeline.words,
      loading: this.timeline.shown !== this.timeline.range,
    });
    return drawn > 0;
  }

  /** Once a second: "2 s ago" becomes "3 s ago", and a quiet chart slides on. */
  #tick() {
    if (this.intake.hidden) return;
    this.#renderRail();
    if (!this.timeline.paused) this.redraw.ask();
    this.intake.tick();
  }

  #renderRailSoon() {
    this.#railTimer ||= setTimeout(() => {
      this.#railTimer = 0;
      if (!this.intake.hidden) this.#renderRail();
    }, RAIL_MS);
  }

  #renderRail() {
    this.rail.render(this.store.list(), this.selected, this.filter, this.now);
    this.#renderPill();
    this.foot.render(this.series.bucketWidths, this.intake.broker.ingest);
  }

  #noteIngest() {
    const { missing } = this.health;
    this.health.note(this.intake.broker.ingest, this.now);
    if (this.health.missing !== missing) this.losses.booksChanged();
  }

  #renderPill() {
    if (!this.live) return;
    this.health.render({
      connected: this.live.phase === "connected" && this.intake.broker.state === "connected", devices: this.store.list(), now: this.now,
    });
    const { state: broker, since: brokerSince } = this.intake.broker;
    this.pill = connectionPill({
      socket: this.live.phase, attempt: this.live.attempt, online: navigator.onLine, broker, brokerSince,
      paused: this.timeline.paused, past: this.timeline.at !== null, now: this.now,
    });
    this.bar.pill.show(this.pill, this.timeline.missed);
  }
}
