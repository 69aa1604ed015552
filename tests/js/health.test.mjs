import assert from "node:assert/strict";
import test from "node:test";
import { bookRows, intervalWords } from "../../services/web/sensorline_web/static/js/state/book.js";
import { healthLines, IngestPulse } from "../../services/web/sensorline_web/static/js/state/health.js";

const NOW = 1_760_000_000_000;
const RUNNING = { state: "running", updated_at: NOW, backlog: 0, undelivered: 0, undelivered_s: 0, missing: 0, journal_fullness: 0 };
const lines = (change, more = {}) => healthLines({ connected: true, ingest: { ...RUNNING, ...change }, heardMs: 0, now: NOW, ...more });
const words = (...given) => lines(...given).map((line) => line.words);

test("nothing is said while all is well, and while the page itself has no connection", () => {
  assert.deepEqual(lines({}), []);
  assert.deepEqual(lines({ state: "offline", missing: 5 }, { connected: false }), []);
});

test("an ingest that is gone, stopped or silent is named", () => {
  assert.match(words({ state: "offline" })[0], /^Ingest is offline/);
  assert.match(words({ state: "stopped" })[0], /^Ingest is stopped/);
  assert.match(words({ updated_at: NOW - 90_000 }, { heardMs: 11_000 })[0], /not been heard of for 2 min/);
  assert.deepEqual(words({}, { heardMs: 9_000 }), []);
  assert.deepEqual(healthLines({ connected: true, ingest: null, heardMs: 1_000, now: NOW }), []);
  assert.match(healthLines({ connected: true, ingest: null, heardMs: 11_000, now: NOW })[0].words, /not been heard of: /);
});

test("a clock of ingest's machine that is wrong does not make it silent", () => {
  assert.deepEqual(words({ updated_at: NOW - 3_600_000 }, { heardMs: 1_500 }), []);
});

test("a store that is away, or behind by more than half a minute, is named with what waits", () => {
  assert.match(words({ state: "store_unavailable", backlog: 1_200 })[0], /cannot be written to; 1,200 messages wait/);
  assert.match(words({ undelivered: 12_000, undelivered_s: 840 })[0], /14 min behind: 12,000 readings wait in ingest’s journal/);
  assert.deepEqual(words({ undelivered: 50, undelivered_s: 29 }), []);
});

test("the journal raises its alarm at 80 %", () => {
  assert.deepEqual(words({ journal_fullness: 0.799 }), []);
  assert.match(words({ journal_fullness: 0.8 })[0], /80 % full: when it is full/);
  assert.match(words({ journal_fullness: 1 })[0], /100 % full: nothing more is accepted/);
});

test("missing readings are told until the person has noted them, and again when there are more", () => {
  assert.deepEqual(words({ missing: 37 }), ["37 readings are missing"]);
  assert.deepEqual(words({ missing: 1 }), ["1 reading is missing"]);
  assert.deepEqual(words({ missing: 37 }, { noted: 37 }), []);
  assert.deepEqual(words({ missing: 38 }, { noted: 37 }), ["38 readings are missing"]);
});

test("ingest is heard whenever it says something new, and a new connection begins anew", () => {
  const pulse = new IngestPulse();
  assert.equal(pulse.ageMs(NOW), 0);
  pulse.note({ state: "running", updated_at: 1 }, NOW);
  pulse.note({ state: "running", updated_at: 1 }, NOW + 5_000);
  assert.equal(pulse.ageMs(NOW + 5_000), 5_000);
  pulse.note({ state: "running", updated_at: 2 }, NOW + 6_000);
  assert.equal(pulse.ageMs(NOW + 6_000), 0);
  pulse.restart(NOW + 60_000);
  assert.equal(pulse.ageMs(NOW + 61_000), 1_000);
  const never = new IngestPulse();
  never.note(null, NOW);
  never.note(null, NOW + 4_000);
  assert.equal(never.ageMs(NOW + 4_000), 4_000);
});

test("a book adds up, and says what is on its way", () => {
  const account = { received: 1_050, stored: 1_000, rejected: 5, duplicates: 45, missing: 37, late: 2, out_of_order: 1, refused: 0, interval_s: 5.02, skew_ms: -320 };
  const rows = (change = {}) => new Map(bookRows({ ...account, ...change }).map((row) => [row.key, row]));
  assert.deepEqual(["received", "stored", "rejected", "duplicates"].map((key) => rows().get(key).sign + rows().get(key).value), ["1,050", "=1,000", "+5", "+45"]);
  assert.equal(rows().has("open"), false);
  assert.equal(rows({ stored: 990 }).get("open").value, "10");
  assert.equal(rows().get("missing").tone, "warn");
  assert.equal(rows({ missing: 0 }).get("missing").tone, "");
});

test("the clock and the interval have words for every size", () => {
  const clock = (skew_ms) => bookRows({ skew_ms }).find((row) => row.key === "clock");
  const clockWords = (skew) => `${clock(skew).value} ${clock(skew).unit}`.trim();
  assert.deepEqual([-320, 0, 7_040, 9_000_000, null].map(clockWords), ["320 ms off", "0 ms off", "7.0 s behind", "3 h behind", "–"]);
  assert.deepEqual([-320, 7_040].map((skew) => clock(skew).tone), ["", "warn"]);
  assert.deepEqual([[null, 5.02], [2_500, 5], [null, 600], [null, null]].map((known) => intervalWords(...known)), ["about 5 s", "2.5 s, announced", "about 10 min", ""]);
});
