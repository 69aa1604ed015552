// Puts the page together. Loaded as a module, after the two libraries.
import { Api } from "./api.js";
import { Dashboard } from "./dashboard.js";
import { debugHook } from "./debug-hook.js";
import { LiveFeed } from "./live.js";
import { DeviceStore } from "./state/devices.js";
import { SeriesSet } from "./state/series-set.js";
import { ServerClock } from "./time/clock.js";
import { Bar } from "./view/bar.js";
import { Foot } from "./view/foot.js";
import { Health } from "./view/health.js";
import { listenForKeys } from "./view/keys.js";
import { Panels } from "./view/panels.js";
import { Rail } from "./view/rail.js";
import { Stage } from "./view/stage.js";

const base = new URL(".", location.href).href;
const clock = new ServerClock();
const api = new Api(base, clock);
const store = new DeviceStore();
const series = new SeriesSet();
const setHash = (hash) => history.replaceState(null, "", hash || location.pathname + location.search);
const dashboard = new Dashboard({ api, clock, store, series, hash: location.hash, setHash });

const rail = new Rail(document, {
  select: (id, add) => dashboard.select(id, add),
  selectAll: () => dashboard.selectAll(),
});
const bar = new Bar(document, {
  range: (id) => dashboard.setRange(id),
  pause: () => dashboard.togglePause(),
  theme: () => dashboard.recolour(),
  search: (text) => dashboard.search(text),
  enter: () => {
    if (rail.first === null) return;
    const first = rail.first;
    bar.clearSearch();
    dashboard.select(first);
  },
});
const panels = new Panels(document.querySelector("#panels"), {
  changed: () => dashboard.changed(),
  expand: (key) => dashboard.expand(key),
  retry: () => dashboard.intake.loadHistory(),
  range: (id) => dashboard.showLast(id),
  cursorContext: () => ({ store, now: clock.now() }),
});
const foot = new Foot(document.querySelector("#foot"));
const health = new Health(document.querySelector("#health"), document.body.dataset.root);
const views = { bar, rail, panels, foot, health, stage: new Stage(document.body) };
const live = new LiveFeed(globalThis.io, base, dashboard.intake.liveHandlers);

listenForKeys(dashboard, bar);
document.addEventListener("visibilitychange", () => dashboard.setHidden(document.hidden));
addEventListener("hashchange", () => dashboard.followHash(location.hash));
addEventListener("resize", () => dashboard.changed());
globalThis.sensorline = debugHook(dashboard);
dashboard.start(views, live);
