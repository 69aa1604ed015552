import assert from "node:assert/strict";
import test from "node:test";
import { byName, prettyMetric } from "../../services/web/sensorline_web/static/js/names.js";
import { formatHash, parseHash } from "../../services/web/sensorline_web/static/js/state/address.js";
import { connectionPill } from "../../services/web/sensorline_web/static/js/state/connection.js";
import { DeviceStore } from "../../services/web/sensorline_web/static/js/state/devices.js";
import { panelModels } from "../../services/web/sensorline_web/static/js/state/panels.js";
import { SeriesSet } from "../../services/web/sensorline_web/static/js/state/series-set.js";
import { statusOf } from "../../services/web/sensorline_web/static/js/state/status.js";
import { Timeline } from "../../services/web/sensorline_web/static/js/state/timeline.js";
import { ServerClock } from "../../services/web/sensorline_web/static/js/time/clock.js";

const NOW = 1_760_000_000_000;
const entry = (device, metrics, more = {}) => ({
  device, name: null, location: null, status: "unknown", status_at: null, last_seen: NOW, interval_s: null, simulated: false,
  metrics: metrics.map(([metric, unit]) => ({ metric, name: null, unit, time: NOW, value: 1 })), ...more,
});

test("a device or metric may have any name, __proto__ included", () => {
  const store = new DeviceStore();
  store.load([entry("__proto__", [["constructor", null], ["__proto__", "°C"]]), entry("a/b", [["toString", null]])]);
  assert.equal(store.size, 2);
  assert.equal(store.metric("__proto__", "__proto__").unit, "°C");
  assert.equal(store.metric("a/b", "hasOwnProperty"), null);
  const series = new SeriesSet();
  series.keep(panelModels(store, new Set()).flatMap((model) => model.lines));
  series.add("__proto__", "__proto__", [NOW], [3], 1, NOW);
  assert.equal(series.get({ device: "__proto__", metric: "__proto__" }).points().length, 1);
  assert.equal({}.unit, undefined);
});

test("the latest value is the newest by time, whatever arrives last", () => {
  const store = new DeviceStore();
  assert.equal(store.reading("desk", "temperature", NOW, 21.5, { heard: NOW }), true);
  assert.equal(store.reading("desk", "temperature", NOW - 5_000, 19, { heard: NOW + 10 }), false);
  assert.equal(store.metric("desk", "temperature").value, 21.5);
});

test("a device heard live stays although the list of devices does not have it yet", () => {
  const store = new DeviceStore();
  store.load([entry("gone", [])]);
  store.reading("new", "m", NOW, 1, { heard: NOW });
  store.load([]);
  assert.deepEqual(store.list().map((device) => device.id), ["new"]);
});

test("online turns stale after three intervals; the last will's word holds until the device is heard again", () => {
  const device = { status: "online", statusAt: NOW, lastSeen: NOW, intervalMs: 10_000, learnedIntervalMs: null };
  assert.equal(statusOf(device, NOW + 29_000), "online");
  assert.equal(statusOf(device, NOW + 31_000), "stale");
  assert.equal(statusOf({ ...device, status: "offline", statusAt: NOW + 1_000 }, NOW + 2_000), "offline");
  assert.equal(statusOf({ ...device, status: "offline", lastSeen: NOW + 9_000 }, NOW + 9_500), "online");
});

test("a device that never announces itself is judged by its readings", () => {
  const device = { status: "unknown", statusAt: null, lastSeen: NOW, intervalMs: null, learnedIntervalMs: null };
  assert.equal(statusOf(device, NOW + 60_000), "online");
  assert.equal(statusOf(device, NOW + 3_600_000), "unknown");
  assert.equal(statusOf({ ...device, learnedIntervalMs: 5_000 }, NOW + 60_000), "stale");
  assert.equal(statusOf({ ...device, lastSeen: null }, NOW), "unknown");
});

test("there is one panel per metric and unit, and devices without a unit join", () => {
  const store = new DeviceStore();
  store.load([
    entry("a", [["temperature", "°C"], ["power", "W"]]), entry("b", [["temperature", null]]), entry("c", [["power", "kW"]]),
  ]);
  const panels = panelModels(store, new Set());
  assert.deepEqual(panels.map((panel) => [panel.title, panel.unit, panel.lines.map((line) => line.device)]), [
    ["Temperature", "°C", ["a", "b"]], ["Power", "kW", ["c"]], ["Power", "W", ["a"]],
  ]);
  assert.deepEqual(panelModels(store, new Set(["c"])).map((panel) => panel.unit), ["kW"]);
});

test("a panel of many lines begins with a few and shows all when asked", () => {
  const store = new DeviceStore();
  store.load(Array.from({ length: 40 }, (_, i) => entry(`room ${i}`, [["temperature", "°C"]])));
  const [panel] = panelModels(store, new Set());
  assert.deepEqual([panel.lines.length, panel.total], [6, 40]);
  assert.equal(panelModels(store, new Set(), new Set([panel.key]))[0].lines.length, 40);
  assert.deepEqual(panel.lines.map((line) => line.device).slice(0, 3), ["room 0", "room 1", "room 2"]);
});

test("a device keeps its colour when others come", () => {
  const store = new DeviceStore();
  store.load([entry("m", [["temperature", "°C"]])]);
  panelModels(store, new Set());
  store.update(entry("a", []));
  store.reading("a", "temperature", NOW, 1, { heard: NOW });
  assert.deepEqual(panelModels(store, new Set())[0].lines.map((line) => [line.device, line.index]), [["a", 1], ["m", 0]]);
});

test("metric names become words", () => {
  assert.deepEqual(["temperature", "co2", "cpu_temperature", "linkQuality", "pm2_5", "a.b", "_"].map(prettyMetric), [
    "Temperature", "CO₂", "CPU temperature", "Link quality", "PM2.5", "A b", "_",
  ]);
  assert.deepEqual(["room 10", "Room 2", "room 1"].sort(byName), ["room 1", "Room 2", "room 10"]);
});

test("the address carries range and devices there and back", () => {
  const state = { range: "6h", devices: ["a/b c", "ü&=#"], at: NOW };
  assert.deepEqual(parseHash(formatHash(state)), state);
  assert.deepEqual(parseHash("#range=nonsense&at=soon"), { range: "15m", devices: [], at: null });
  assert.equal(formatHash({ range: "15m", devices: [] }), "");
});

test("the pill has a word for every state of the connection", () => {
  const words = (state) => connectionPill({ socket: "connected", broker: "connected", ...state }).words;
  assert.equal(words({}), "Live");
  assert.equal(words({ paused: true }), "Paused");
  assert.equal(words({ paused: true, past: true }), "In the past");
  assert.equal(words({ broker: "disconnected", paused: true }), "Broker unreachable");
  assert.equal(words({ socket: "lost", attempt: 1 }), "Reconnecting");
  assert.equal(words({ socket: "lost", attempt: 9 }), "Offline");
  assert.equal(words({ online: false }), "Offline");
  assert.equal(words({ socket: "connecting" }), "Connecting");
});

test("the window slides by whole pixels, and holds still while paused", () => {
  let now = NOW;
  const timeline = new Timeline({ now: () => now }, "1h");
  const first = timeline.window(1_000);
  assert.equal(first.to - first.from, 3_600_000);
  assert.equal(first.to % 3_600, 0);
  timeline.pause();
  now += 60_000;
  assert.equal(timeline.window(1_000).to, NOW);
  assert.deepEqual(timeline.span(), { from: NOW - 3_600_000, to: NOW });
  timeline.resume();
  assert.deepEqual(timeline.span(), { from: "now-1h", to: "now" });
});

test("the window stands at a past instant until the person resumes", () => {
  const timeline = new Timeline({ now: () => NOW }, "1h");
  timeline.hold(NOW - 7_200_000);
  assert.deepEqual(timeline.span(), { from: NOW - 10_800_000, to: NOW - 7_200_000 });
  assert.equal(timeline.at, NOW - 7_200_000);
  assert.match(timeline.words, /^hour up to \d\d:\d\d$|^hour up to \d+ \w+ \d\d:\d\d$/);
  timeline.resume();
  assert.deepEqual([timeline.at, timeline.paused, timeline.words], [null, false, "last hour"]);
});

test("a new range shows when its first history is there", () => {
  const timeline = new Timeline({ now: () => NOW }, "1h");
  timeline.setRange("7d");
  assert.equal(timeline.shown.id, "1h");
  timeline.arrived();
  assert.equal(timeline.shown.id, "7d");
});

test("the server's clock is learned from the quickest answer", () => {
  const clock = new ServerClock(() => 1_000);
  clock.learn(6_050, 900, 1_000);
  clock.learn(6_500, 0, 1_000);
  assert.equal(clock.now(), 6_100);
  clock.learn(90_000, 990, 1_000);
  assert.equal(clock.now(), 90_005);
});
