import assert from "node:assert/strict";
import test from "node:test";
import { SeriesBuffer } from "../../services/web/sensorline_web/static/js/series/buffer.js";
import { mergeRaw } from "../../services/web/sensorline_web/static/js/series/merge.js";

const S = 1_000;
const raw = (...points) => ({
  bucket_ms: 0, t: points.map(([t]) => t), min: points.map(([, v]) => v), mean: points.map(([, v]) => v),
  max: points.map(([, v]) => v), n: points.map(() => 1),
});
const values = (buffer) => buffer.points().map((point) => point.mean);

test("a reading with its own time that is in history and came live stands once", () => {
  const live = [{ t: 2 * S, v: 5, own: true, at: 2 * S }, { t: 3 * S, v: 5, own: true, at: 3 * S }];
  const { columns } = mergeRaw(raw([S, 4], [2 * S, 5]), live, { watchedAt: 0, now: 3 * S });
  assert.deepEqual(columns.t, [S, 2 * S, 3 * S]);
});

test("two values of one instant are two readings", () => {
  const { columns } = mergeRaw(raw([S, 4]), [{ t: S, v: 5, own: true, at: S }], { watchedAt: 0, now: S });
  assert.deepEqual(columns.mean, [4, 5]);
});

test("a late reading is put where its time belongs", () => {
  const buffer = new SeriesBuffer();
  buffer.load(raw([S, 1], [3 * S, 3]), { now: 3 * S, watchedAt: 0 });
  buffer.add(2 * S, 2, true, 4 * S);
  assert.deepEqual(values(buffer), [1, 2, 3]);
});

test("a reading without its own time is drawn once although its two received times differ", () => {
  const live = [{ t: 2_007, v: 5, own: false, at: 2_010 }];
  const { columns } = mergeRaw(raw([S, 4], [2 * S, 5]), live, { watchedAt: 1_500, now: 3 * S });
  assert.deepEqual(columns.t, [S, 2 * S]);
});

test("equal readings are paired one to one: a new one of the same value is kept", () => {
  const live = [{ t: 102_004, v: 5, own: false, at: 102_010 }, { t: 103_004, v: 5, own: false, at: 103_010 }];
  const { columns } = mergeRaw(raw([100_000, 5], [101_000, 5], [102_000, 5]), live, { watchedAt: 101_500, now: 102_600 });
  assert.deepEqual(columns.t, [100_000, 101_000, 102_000, 103_004]);
});

test("a burst of equal readings that came a little later here is not drawn twice", () => {
  const stored = Array.from({ length: 50 }, (_, i) => [10_000 + i, 1]);
  const live = stored.map(([t]) => ({ t: t + 5, v: 1, own: false, at: t + 6 }));
  const { columns, unmatched } = mergeRaw(raw(...stored), live, { watchedAt: 5_000, now: 12_000 });
  assert.equal(columns.t.length, 50);
  assert.equal(unmatched.length, 0);
});

test("equal values more than a second and a half apart are different readings", () => {
  const { columns } = mergeRaw(raw([S, 5]), [{ t: 2_600, v: 5, own: false, at: 2_600 }], { watchedAt: 0, now: 3 * S });
  assert.equal(columns.t.length, 2);
});

test("a frame that arrives after the history that has its reading adds nothing", () => {
  const buffer = new SeriesBuffer();
  buffer.load(raw([S, 4], [2 * S, 5]), { now: 2_050, watchedAt: 1_500 });
  buffer.add(2_020, 5, false, 2_060);
  buffer.add(3_020, 5, false, 3_030);
  assert.deepEqual(buffer.points().map((point) => point.t), [S, 2 * S, 3_020]);
});

test("whatever the order of history and frames, every reading stands exactly once", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let round = 0; round < 200; round += 1) {
    const own = round % 2 === 0;
    const readings = Array.from({ length: 40 }, (_, i) => ({ t: 100_000 + i * 700, v: Math.round(random() * 2) }));
    const watchedAt = 100_000 + random() * 12_000;
    const now = watchedAt + random() * 8_000;
    const loadedAfter = now + random() * 1_000;
    const buffer = new SeriesBuffer();
    const skew = own ? 0 : 3 + random() * 20;
    const live = readings.filter((reading) => reading.t + skew > watchedAt);
    const frames = live.map(({ t, v }) => [t + skew, v, own, t + skew + 5]);
    for (const frame of frames.filter(([, , , at]) => at <= loadedAfter)) buffer.add(...frame);
    buffer.load(raw(...readings.filter(({ t }) => t <= now).map(({ t, v }) => [t, v])), { now, watchedAt });
    for (const frame of frames.filter(([, , , at]) => at > loadedAfter)) buffer.add(...frame);
    const seen = readings.filter(({ t }) => t <= now || t + skew > watchedAt);
    assert.deepEqual(values(buffer), seen.map((reading) => reading.v), `round ${round}`);
  }
});

test("live readings that the store does not have yet survive a fresh history", () => {
  const buffer = new SeriesBuffer();
  buffer.load(raw([S, 1]), { now: S, watchedAt: 0 });
  buffer.add(2 * S, 2, true, 2 * S);
  buffer.load(raw([S, 1]), { now: 60 * S, watchedAt: 0 });
  assert.deepEqual(values(buffer), [1, 2]);
});

test("a buffer stays bounded and says when it is full", () => {
  const buffer = new SeriesBuffer(500);
  for (let i = 0; i < 5_000; i += 1) buffer.add(i * 10, i, true, i * 10);
  assert.equal(buffer.points().length, 500);
  assert.ok(buffer.overfull && buffer.held <= 1_500);
  buffer.trim(49_900);
  assert.ok(buffer.points().length < 50);
});

test("values that are not numbers stay out", () => {
  const buffer = new SeriesBuffer();
  buffer.add(1, Number.NaN, true, 1);
  buffer.add(Infinity, 1, true, 1);
  assert.equal(buffer.points().length, 0);
});
