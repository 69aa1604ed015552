process.env.TZ = "Europe/Berlin";
import assert from "node:assert/strict";
import test from "node:test";

const { tickLabel, timeTicks } = await import("../../services/web/sensorline_web/static/js/time/ticks.js");

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const noon = Date.parse("2026-11-21T11:07:23Z");

test("every range gets two to six labels, at ascending times inside the window", () => {
  for (const range of [5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY]) {
    for (let shift = 0; shift < 50; shift += 1) {
      const to = noon + shift * 7_919_000;
      const ticks = timeTicks(to - range, to, 6);
      assert.ok(ticks.length >= 2 && ticks.length <= 6, `${range} ms: ${ticks.length} labels`);
      ticks.forEach((t, i) => assert.ok(t >= to - range && t <= to && (i === 0 || t > ticks[i - 1])));
    }
  }
});

test("labels of hours stand at full local hours", () => {
  for (const t of timeTicks(noon - 6 * HOUR, noon)) assert.equal(t % HOUR, 0);
  for (const t of timeTicks(noon - DAY, noon)) assert.equal(new Date(t).getHours() % 6, 0);
});

test("labels stay where they are while the window slides", () => {
  for (const range of [6 * HOUR, 7 * DAY, 30 * DAY]) {
    const before = new Set(timeTicks(noon - range, noon));
    const after = timeTicks(noon - range + 10 * MINUTE, noon + 10 * MINUTE);
    assert.ok(after.filter((t) => before.has(t)).length >= after.length - 1);
  }
});

test("days begin at local midnight on both sides of a change of the clocks", () => {
  const change = Date.parse("2026-10-25T12:00:00Z");
  const ticks = timeTicks(change - 3 * DAY, change + 2 * DAY, 6);
  assert.equal(ticks.length, 5);
  for (const t of ticks) assert.equal(new Date(t).getHours(), 0);
  const hours = timeTicks(change - DAY, change, 6);
  for (const t of hours) assert.equal(new Date(t).getHours() % 6, 0);
});

test("a label is a clock time, or the date where a day begins", () => {
  const midnight = new Date(2026, 10, 21).getTime();
  assert.equal(tickLabel(midnight, 6 * HOUR), "Sat 21 Nov");
  assert.equal(tickLabel(midnight + 6 * HOUR, 6 * HOUR), "06:00");
  assert.equal(tickLabel(midnight + 30_000, 30_000), "00:00:30");
  assert.equal(tickLabel(midnight, DAY), "21 Nov");
});

test("an empty window has no labels", () => assert.deepEqual(timeTicks(5, 5), []));
