import assert from "node:assert/strict";
import test from "node:test";
import { lineData, isBinary } from "../../services/web/sensorline_web/static/js/chart/line-data.js";
import { Pace } from "../../services/web/sensorline_web/static/js/chart/pace.js";
import { dashAt } from "../../services/web/sensorline_web/static/js/chart/palette.js";
import { spread } from "../../services/web/sensorline_web/static/js/chart/plugins/last-value.js";
import { Scene } from "../../services/web/sensorline_web/static/js/chart/scene.js";
import { EventSet } from "../../services/web/sensorline_web/static/js/state/events.js";
import { SeriesBuffer } from "../../services/web/sensorline_web/static/js/series/buffer.js";
import { commonSpans, findGaps, gapThreshold } from "../../services/web/sensorline_web/static/js/series/gaps.js";
import { rangeTicks, valueRange } from "../../services/web/sensorline_web/static/js/series/yrange.js";
import { DeviceStore } from "../../services/web/sensorline_web/static/js/state/devices.js";
import { panelModels, seriesKey } from "../../services/web/sensorline_web/static/js/state/panels.js";

const columns = (t, v) => ({ t, min: v.map((x) => x - 1), mean: v, max: v.map((x) => x + 1), n: v.map(() => 2) });

test("a pause longer than three intervals is a gap, and shorter ones are not", () => {
  assert.equal(gapThreshold([], { intervalMs: 5_000 }), 15_000);
  assert.equal(gapThreshold([0, 1_000, 2_000, 3_000, 4_000]), 3_000);
  assert.equal(gapThreshold([1]), Infinity);
  assert.equal(gapThreshold([0, 60_000], { intervalMs: 1_000, bucketMs: 60_000 }), 90_000);
  assert.deepEqual(findGaps([0, 10, 50, 60], 20, 100), [[10, 50], [60, 100]]);
});

test("a gap is hatched only where no line has data", () => {
  assert.deepEqual(commonSpans([[[10, 50], [60, 100]], [[0, 20], [40, 70]]]), [[10, 20], [40, 50], [60, 70]]);
  assert.deepEqual(commonSpans([[[10, 50]], []]), []);
  assert.deepEqual(commonSpans([]), []);
});

test("a line breaks at a gap and its band has a stretch on each side", () => {
  const data = lineData(columns([0, 10, 50, 60], [1, 2, 3, 4]), 0, 100, 20);
  assert.deepEqual(data.points.map((point) => point.x), [0, 10, 30, 50, 60]);
  assert.ok(Number.isNaN(data.points[2].y));
  assert.deepEqual(data.stretches, [[0, 1], [2, 3]]);
  assert.deepEqual([data.low, data.high], [0, 5]);
});

test("only what is in the window decides the value axis; one neighbour on each side leads the line out", () => {
  const data = lineData(columns([0, 10, 20, 30, 40], [100, 1, 2, 3, 100]), 10, 30, Infinity);
  assert.equal(data.points.length, 5);
  assert.deepEqual([data.low, data.high], [0, 4]);
  assert.ok(Number.isNaN(lineData(columns([0], [1]), 10, 20, Infinity).low));
});

test("states are told from measurements", () => {
  assert.ok(isBinary({ t: [0, 1], mean: [0, 1], n: [1, 1] }));
  assert.ok(!isBinary({ t: [0, 1], mean: [0, 0.5], n: [1, 2] }));
});

test("the value axis is round, has air, at most five labels, and never goes below zero without need", () => {
  for (const [low, high] of [[20.4, 25.1], [0, 2_000], [1012.8, 1013.3], [-3, 8], [0.001, 0.004], [5, 5], [1e6, 3e6], [-900, -850]]) {
    const range = valueRange(low, high);
    assert.ok(range.min <= low && range.max >= high, `${low}…${high}`);
    assert.ok(low < 0 || range.min >= 0, `${low}…${high} begins at ${range.min}`);
    const ticks = rangeTicks(range);
    assert.ok(ticks.length >= 3 && ticks.length <= 5, `${ticks}`);
    assert.equal(ticks.at(-1), range.max);
  }
  assert.deepEqual(valueRange(0, 0), { min: 0, max: 1, step: 0.25 });
  assert.ok(valueRange(92, 100, { unit: "%" }).max <= 100);
  assert.deepEqual(valueRange(0, 1, { binary: true }), { min: 0, max: 1, step: 1 });
});

test("the value axis stays while the data fit it, and follows when they leave or shrink", () => {
  const first = valueRange(20, 25);
  assert.equal(valueRange(20.5, 25.2, { previous: first }), first);
  assert.notEqual(valueRange(20.5, first.max + 1, { previous: first }), first);
  assert.notEqual(valueRange(22, 22.6, { previous: first }), first);
  assert.equal(valueRange(Number.NaN, Number.NaN, { previous: first }), first);
});

test("the redraw rate falls from ten to two a second as redraws cost more", () => {
  const pace = new Pace();
  assert.equal(pace.intervalMs, 100);
  for (let i = 0; i < 5; i += 1) pace.note(30);
  assert.ok(pace.intervalMs > 150 && pace.intervalMs < 250);
  for (let i = 0; i < 5; i += 1) pace.note(400);
  assert.equal(pace.intervalMs, 500);
});

test("labels at the line ends never cover each other and stay in the plot", () => {
  const labels = spread([10, 11, 12, 90].map((top) => ({ top })), 0, 100);
  labels.forEach((label, i) => assert.ok(label.at >= 0 && label.at <= 100 && (i === 0 || label.at - labels[i - 1].at >= 14)));
  assert.deepEqual(spread(Array.from({ length: 30 }, () => ({ top: 5 })), 0, 100), []);
});

test("lines of one colour have different dashes", () => {
  for (let i = 0; i < 8; i += 1) assert.notDeepEqual(dashAt(i), dashAt(i + 8));
});

test("a scene finds each visible line's point at an instant, and none within a gap", () => {
  const store = new DeviceStore();
  store.update({ device: "a", interval_s: 1 });
  store.update({ device: "b", interval_s: 1 });
  const buffers = new Map();
  for (const device of ["a", "b"]) {
    store.reading(device, "m", 5_000, 1, { heard: 5_000 });
    const buffer = new SeriesBuffer();
    for (const t of device === "a" ? [0, 1_000, 2_000, 20_000] : [0, 1_000, 2_000]) buffer.add(t, 1, true, t);
    buffers.set(seriesKey(device, "m"), buffer);
  }
  const [model] = panelModels(store, new Set());
  const scene = new Scene();
  const events = new EventSet();
  events.apply({ id: "e", kind: "missing", device: "a", start: 2_000, end: 20_000, count: 17, ranges: [], detail: "" });
  const view = { model, buffers, store, events, from: 0, to: 30_000, pixel: 10 };
  const picture = scene.compose({ ...view, hidden: new Set() });
  assert.deepEqual(scene.at(1_100).map((entry) => [entry.device, entry.point.t]), [["a", 1_000], ["b", 1_000]]);
  assert.deepEqual(scene.at(10_000), []);
  assert.deepEqual(picture.gaps, [[2_000, 20_000], [20_000, 30_000]]);
  assert.deepEqual(picture.hatches, [[2_000, 20_000]]);
  assert.deepEqual(scene.eventsAt(10_000).map((event) => event.id), ["e"]);
  // A line that is hidden takes its events along.
  scene.compose({ ...view, hidden: new Set(["a"]) });
  assert.deepEqual(scene.at(1_100).map((entry) => entry.device), ["b"]);
  assert.deepEqual(scene.eventsAt(10_000), []);
});
