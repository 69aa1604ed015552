process.env.TZ = "Europe/Berlin";
import assert from "node:assert/strict";
import test from "node:test";

const { ago, decimalsFor, formatAxis, formatValue, readout, shortValue, span, width } = await import(
  "../../services/web/sensorline_web/static/js/format.js"
);

test("a value keeps the decimals its sensor sends, within what its unit is worth", () => {
  assert.equal(decimalsFor(21.5, "°C"), 1);
  assert.equal(decimalsFor(23.4375, "°C"), 1);
  assert.equal(decimalsFor(742.3, "ppm"), 0);
  assert.equal(decimalsFor(0.42), 2);
  assert.equal(decimalsFor(61), 0);
  assert.equal(decimalsFor(1e-7), 4);
});

test("values are grouped from five digits on and have a real minus sign", () => {
  assert.equal(formatValue(1013.2, 1), "1013.2");
  assert.equal(formatValue(124067.4, 1), "124,067");
  assert.equal(formatValue(-4.44, 1), "−4.4");
  assert.equal(formatValue(-0.04, 1), "0.0");
  assert.equal(formatValue(0.00001, 4), "1.00e−5");
  assert.equal(formatValue(null, 1), "–");
  assert.equal(formatValue(Number.NaN, 1), "–");
});

test("a long value is shortened at a line's end", () => {
  assert.equal(shortValue(1013.25, 1), "1013.3");
  assert.equal(shortValue(1284311, 0), "1.284M");
});

test("axis labels have the decimals of their step", () => {
  assert.equal(formatAxis(22.5, 2.5), "22.5");
  assert.equal(formatAxis(20, 5), "20");
  assert.equal(formatAxis(0.25, 0.25), "0.25");
  assert.equal(formatAxis(-0, 1), "0");
  assert.equal(formatAxis(2_000_000, 500_000), "2M");
});

test("spans are told in their largest whole unit", () => {
  assert.deepEqual([900, 2_000, 59_700, 180_000, 5 * 3_600_000, 12 * 86_400_000].map(ago), [
    "now", "2 s ago", "1 min ago", "3 min ago", "5 h ago", "12 d ago",
  ]);
  assert.equal(span(-5), "0 s");
  assert.deepEqual([500, 30_000, 120_000, 5_400_000].map(width), ["500 ms", "30 s", "2 min", "1.5 h"]);
});

test("a readout tells value, time, and the bucket's extremes if it is a bucket", () => {
  const t = Date.parse("2026-11-21T13:03:07Z");
  const options = { unit: "°C", decimals: 1, now: t };
  assert.equal(readout({ t, mean: 21.4, min: 20.9, max: 22, n: 60 }, options), "21.4 °C @ 14:03:07 (min 20.9, max 22.0, n 60)");
  assert.equal(readout({ t, mean: 21.4, min: 21.4, max: 21.4, n: 1 }, options), "21.4 °C @ 14:03:07");
  assert.equal(readout({ t: t - 86_400_000, mean: 1, min: 1, max: 1, n: 1 }, { decimals: 0, now: t }), "1 @ 20 Nov 14:03:07");
});
