import assert from "node:assert/strict";
import test from "node:test";
import { bucketStart, foldReading } from "../../services/web/sensorline_web/static/js/series/buckets.js";
import { SeriesBuffer } from "../../services/web/sensorline_web/static/js/series/buffer.js";

// `last`: the newest stored reading, by default in the middle of the last bucket.
const history = (...buckets) => ({
  last: buckets.at(-1)[0] + 5_000,
  bucket_ms: 10_000, t: buckets.map((b) => b[0]), min: buckets.map((b) => b[1]), mean: buckets.map((b) => b[2]),
  max: buckets.map((b) => b[3]), n: buckets.map((b) => b[4]),
});

test("a reading joins its bucket's mean, extremes and count", () => {
  const columns = history([0, 1, 2, 3, 2]);
  foldReading(columns, 10_000, 9_999, 5);
  assert.deepEqual([columns.min[0], columns.mean[0], columns.max[0], columns.n[0]], [1, 3, 5, 3]);
});

test("a reading beyond the last bucket begins a new one on the same grid", () => {
  const columns = history([2_500, 1, 1, 1, 1]);
  foldReading(columns, 10_000, 34_000, 7);
  assert.deepEqual(columns.t, [2_500, 32_500]);
  assert.equal(bucketStart(12_499, 10_000, 2_500), 2_500);
});

test("a live reading up to the newest stored one is in its bucket already, a newer one is not", () => {
  const buffer = new SeriesBuffer();
  buffer.load(history([0, 1, 1, 1, 4]), { now: 6_000, watchedAt: 0 });
  buffer.add(4_000, 9, true, 4_010);
  buffer.add(5_000, 9, true, 6_020);
  assert.equal(buffer.points()[0].n, 4);
  // Arrived before the answer, and the store did not have it yet.
  buffer.add(5_500, 3, true, 5_510);
  assert.deepEqual(buffer.points()[0], { t: 0, mean: 1.4, min: 1, max: 3, n: 5 });
});

test("received times of one reading differ by milliseconds, and it is counted once", () => {
  const buffer = new SeriesBuffer();
  buffer.load(history([0, 1, 1, 1, 1]), { now: 6_000, watchedAt: 0 });
  buffer.add(5_008, 1, false, 5_010);
  assert.equal(buffer.points()[0].n, 1);
  buffer.add(5_108, 1, false, 5_110);
  assert.equal(buffer.points()[0].n, 2);
});

test("what came while history was loading is in the buckets, once", () => {
  const buffer = new SeriesBuffer();
  buffer.add(4_000, 2, true, 4_010);
  buffer.add(6_000, 4, true, 6_010);
  buffer.load(history([0, 2, 2, 2, 1]), { now: 6_020, watchedAt: 3_000 });
  assert.deepEqual(buffer.points(), [{ t: 0, mean: 3, min: 2, max: 4, n: 2 }]);
  buffer.load(history([0, 2, 3, 4, 2], [10_000, 5, 5, 5, 1]), { now: 16_000, watchedAt: 3_000 });
  assert.deepEqual(buffer.points().map((point) => point.n), [2, 1]);
});

test("a late reading with its own time goes to its old bucket", () => {
  const buffer = new SeriesBuffer();
  buffer.load(history([0, 1, 1, 1, 1], [10_000, 2, 2, 2, 1]), { now: 15_000, watchedAt: 0 });
  buffer.add(3_000, 3, true, 17_000);
  assert.deepEqual(buffer.points().map((point) => point.n), [2, 1]);
});

test("buckets that only live readings made survive while the store lags", () => {
  const buffer = new SeriesBuffer();
  buffer.load(history([0, 1, 1, 1, 1]), { now: 5_000, watchedAt: 0 });
  buffer.add(12_000, 8, true, 12_010);
  buffer.load(history([0, 1, 1, 1, 1]), { now: 60_000, watchedAt: 0 });
  assert.deepEqual(buffer.points().map((point) => point.mean), [1, 8]);
  buffer.load(history([0, 1, 1, 1, 1], [10_000, 8, 8, 8, 1]), { now: 70_000, watchedAt: 0 });
  assert.deepEqual(buffer.points().map((point) => point.n), [1, 1]);
});
