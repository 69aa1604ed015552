import assert from "node:assert/strict";
import test from "node:test";
import { Losses } from "../../services/web/sensorline_web/static/js/losses.js";

const NOW = 1_760_000_000_000;
const event = (id, count) => ({ id, kind: "missing", device: "desk", start: NOW - 9_000, end: NOW - 5_000, count, ranges: [], detail: "" });

/** `answer(n)` settles the n-th question. */
function build() {
  const asked = [];
  const told = { changes: 0, books: 0 };
  const losses = new Losses({
    api: { events: (query) => new Promise((resolve, reject) => asked.push({ query, resolve, reject })) },
    clock: { now: () => NOW },
    timeline: { range: { ms: 3_600_000 }, span: () => ({ from: "now-1h", to: "now" }) },
    onChange: () => { told.changes += 1; },
    onBooks: () => { told.books += 1; },
  });
  return { losses, asked, told, ids: () => losses.events.list().map(({ id, count }) => `${id}${count}`) };
}

test("events are asked for the span of the charts, and a live word since then is newer than the answer", async () => {
  const { losses, asked, ids } = build();
  const loading = losses.load();
  assert.deepEqual(asked[0].query, { start: "now-1h", end: "now", limit: 1_000 });
  losses.apply(event("a", 2));
  asked[0].resolve({ events: [event("a", 9), event("b", 1)] });
  await loading;
  assert.deepEqual(ids(), ["a2", "b1"]);
});

test("only the newest question counts, and a failed one takes nothing away", async () => {
  const { losses, asked, ids } = build();
  const first = losses.load();
  const second = losses.load();
  asked[1].resolve({ events: [event("new", 1)] });
  asked[0].resolve({ events: [event("old", 1)] });
  await Promise.all([first, second]);
  assert.deepEqual(ids(), ["new1"]);
  const third = losses.load();
  asked[2].reject(new Error("away"));
  await third;
  assert.deepEqual(ids(), ["new1"]);
});

test("many live events ask for the books once", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { losses, told } = build();
  for (let i = 0; i < 50; i += 1) losses.apply(event(`e${i}`, 1));
  losses.apply("nonsense");
  t.mock.timers.tick(60_000);
  assert.deepEqual(told, { changes: 50, books: 1 });
});
