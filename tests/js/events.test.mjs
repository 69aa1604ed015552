import assert from "node:assert/strict";
import test from "node:test";
import { eventsAt, placeMarks } from "../../services/web/sensorline_web/static/js/chart/marks.js";
import { deviceAddress } from "../../services/web/sensorline_web/static/js/state/address.js";
import { duration, groupWords, period, rangesWords, sentence, shortWords, whatHappened } from "../../services/web/sensorline_web/static/js/state/event-words.js";
import { EventSet } from "../../services/web/sensorline_web/static/js/state/events.js";
import { eventAddress, viewOf } from "../../services/web/sensorline_web/static/js/state/moment.js";

const NOW = new Date(2026, 0, 31, 14, 30, 0).getTime();
const MINUTE = 60_000;
const event = (id, from, to, more = {}) => ({ id, kind: "missing", device: "desk", start: from, end: to, count: 3, ranges: [[1, 3]], detail: "", ...more });
const ids = (list) => list.map(({ id }) => id);

test("an event grows, shrinks, and is withdrawn when nothing is missing any more", () => {
  const events = new EventSet();
  events.apply(event("a", 10, 20, { count: 37 }));
  events.apply(event("a", 10, 30, { count: 40 }));
  assert.deepEqual(events.within(25, 26, new Set(["desk"])).map(({ count }) => count), [40]);
  events.apply(event("a", 10, 30, { count: 2 }));
  assert.equal(events.list()[0].count, 2);
  events.apply(event("a", 10, 30, { count: 0 }));
  assert.equal(events.size, 0);
});

test("an event that ended without a number happened all the same", () => {
  const events = new EventSet();
  events.apply(event("s", 10, 20, { kind: "silent", count: 0 }));
  events.apply(event("r", 10, 20, { kind: "refused", count: 0 }));
  assert.equal(events.size, 2);
});

test("a window has the events that touch it, of its devices and of all, and open ones go on", () => {
  const events = new EventSet();
  events.load([event("b", 50, 60), event("a", 10, 20), event("all", 15, null, { device: "", kind: "session_lost" }), event("other", 10, 99, { device: "x" })],
    { from: 0, to: 100, stamp: events.stamp });
  assert.deepEqual(ids(events.within(20, 55, new Set(["desk"]))), ["a", "all", "b"]);
  assert.deepEqual(ids(events.within(61, 90, new Set(["desk"]))), ["all"]);
  assert.deepEqual(ids(events.within(0, 100, new Set())), ["all"]);
});

test("an answer says all there is in its range, but what came live since the question is newer", () => {
  const events = new EventSet();
  events.load([event("gone", 10, 20), event("elsewhere", 900, 950), event("shrinks", 30, 40)], { from: 0, to: 1_000, stamp: events.stamp });
  const { stamp } = events;
  events.apply(event("live", 50, null));
  events.apply(event("shrinks", 30, 40, { count: 1 }));
  events.apply(event("back", 60, 70, { count: 0 }));
  events.load([event("shrinks", 30, 40, { count: 9 }), event("back", 60, 70)], { from: 0, to: 100, stamp });
  assert.deepEqual(ids(events.list()), ["shrinks", "live", "elsewhere"]);
  assert.equal(events.list()[0].count, 1);
  events.load([event("back", 60, 70)], { from: 0, to: 100, stamp: events.stamp });
  assert.deepEqual(ids(events.list()), ["back", "elsewhere"]);
});

test("an answer that was cut off takes nothing away", () => {
  const events = new EventSet();
  events.apply(event("old", 10, 20));
  events.load([event("new", 50, 60)], { from: 0, to: 100, stamp: events.stamp, whole: false });
  assert.deepEqual(ids(events.list()), ["old", "new"]);
});

test("nonsense is passed over, and so many events are held at most", () => {
  const events = new EventSet();
  for (const raw of [null, 7, {}, { id: "", start: 1 }, { id: "x" }, { id: "x", start: "1" }]) assert.equal(events.apply(raw), false);
  events.load(Array.from({ length: 2_500 }, (_, i) => event(`e${i}`, i, i + 1)), { from: 0, to: 9_999, stamp: events.stamp });
  events.apply(event("open", 0, null));
  assert.equal(events.size, 2_000);
  assert.ok(ids(events.list()).includes("open") && ids(events.list()).includes("e2499") && !ids(events.list()).includes("e0"));
});

test("a mark can be seen however far the chart is zoomed out, and near ones become one", () => {
  const window = { from: 0, to: 100_000, pixel: 100 };
  const { marks, hatches } = placeMarks([event("a", 10_000, 10_010), event("b", 10_500, 10_510), event("c", 50_000, 60_000)], window);
  assert.deepEqual(marks.map((mark) => [mark.from, mark.to, ids(mark.events)]), [[9_655, 10_855, ["a", "b"]], [50_000, 60_000, ["c"]]]);
  assert.deepEqual(hatches, [[9_655, 10_855], [50_000, 60_000]]);
  assert.deepEqual(ids(eventsAt(marks, 9_700, window)), ["a"]);
  assert.deepEqual(ids(eventsAt(marks, 55_000, window)), ["c"]);
  assert.deepEqual(eventsAt(marks, 70_000, window), []);
});

test("events stay within the window, and an open one reaches its end", () => {
  const { marks } = placeMarks([event("a", -500, 20), event("b", 900, null)], { from: 0, to: 1_000, pixel: 1 });
  assert.deepEqual(marks.map(({ from, to }) => [from, to]), [[0, 20], [900, 1_000]]);
});

test("only where data may be missing the chart is hatched", () => {
  const window = { from: 0, to: 1_000, pixel: 1 };
  const kinds = {
    clock: [0, 100, 0], store: [200, 300, 0], late: [0, 100, 0], out_of_order: [0, 100, 0], duplicates: [0, 100, 0], rejected: [0, null, 0],
    silent: [0, 100, 1], refused: [0, 100, 1], session_lost: [0, 100, 1],
  };
  for (const [kind, [from, to, hatched]] of Object.entries(kinds)) {
    const placed = placeMarks([event("e", from, to, { kind })], window);
    assert.deepEqual([placed.marks.length, placed.hatches.length], [1, hatched]);
  }
  assert.deepEqual(placeMarks([event("e", 900, null, { kind: "store" })], window).hatches, [[900, 1_000]]);
  // A long spell of a wrong clock does not swallow what is missing within it.
  const { hatches, marks } = placeMarks([event("c", 0, 900, { kind: "clock" }), event("m", 100, 200)], window);
  assert.deepEqual([hatches, marks.map((mark) => [mark.lost, ids(mark.events)])], [[[100, 200]], [[false, ["c"]], [true, ["m"]]]]);
  assert.deepEqual(ids(eventsAt(marks, 150, window)), ["m", "c"]);
});

test("an event has a label, a sentence with kind, count and time, and a length", () => {
  const lost = event("a", NOW - 20 * MINUTE, NOW - 19 * MINUTE, { count: 1_237 });
  assert.equal(shortWords(lost), "1,237 missing");
  assert.equal(sentence(lost, { now: NOW, title: "Desk" }), "Desk: 1,237 readings missing, 14:10:00–14:11:00");
  assert.equal(sentence(event("a", NOW - MINUTE, null, { kind: "silent", count: 0 }), { now: NOW }), "No readings came, since 14:29:00");
  assert.equal(sentence(event("a", NOW, NOW + 200, { count: 1 }), { now: NOW }), "1 reading missing, 14:30:00");
  assert.equal(period({ start: NOW - 86_400_000, end: NOW }, NOW), "30 Jan 14:30:00 – 31 Jan 14:30:00");
  assert.equal(period({ start: NOW - 86_400_000, end: NOW - 86_390_000 }, NOW), "30 Jan 14:30:00–14:30:10");
  assert.equal(duration(lost, NOW), "1 min");
  assert.equal(duration({ start: NOW - 5 * MINUTE, end: null }, NOW), "5 min so far");
  assert.equal(shortWords({ kind: "from a later release" }), "data may be missing");
});

test("readings that came late, again, out of order, or not as readings are counted in words", () => {
  const words = (kind, count) => [shortWords({ kind, count }), whatHappened({ kind, count, end: null })];
  assert.deepEqual(words("late", 1_237), ["1,237 late", "1,237 readings came late"]);
  assert.deepEqual(words("out_of_order", 1), ["1 out of order", "1 reading came after newer ones"]);
  assert.deepEqual(words("duplicates", 1), ["1 repeated", "1 reading came again, and is stored once"]);
  assert.deepEqual(words("duplicates", 2), ["2 repeated", "2 readings came again, and are stored once"]);
  assert.deepEqual(words("rejected", 1), ["1 rejected", "1 message rejected"]);
  assert.equal(groupWords([1, 2].map((n) => event(`${n}`, 1, 2, { kind: "late", count: 4 }))), "8 late");
});

test("several events at one place have one label", () => {
  const [a, b] = [event("a", 1, 2), event("b", 3, 4, { count: 4 })];
  assert.equal(groupWords([a]), "3 missing");
  assert.equal(groupWords([a, b]), "7 missing");
  assert.equal(groupWords([a, event("c", 1, 2, { kind: "silent" })]), "3 missing + 1 more");
  assert.equal(groupWords([event("c", 1, 2, { kind: "silent" }), event("d", 1, 2, { kind: "clock" })]), "2 events");
  assert.equal(groupWords([1, 2].map((n) => event(`${n}`, 1, 2, { kind: "silent" }))), "2 × silent");
});

test("numbers are named as ranges, and many of them are counted", () => {
  assert.equal(rangesWords([[1201, 1237], [1240, 1240]]), "Numbers 1201–1237, 1240");
  assert.equal(rangesWords([[9, 9]]), "Number 9");
  assert.equal(rangesWords([[1, 2], [4, 5], [7, 8]], 2), "Numbers 1–2, 4–5, 1 more");
});

test("an event is shown in the middle of a view three times as long, the newest at its end", () => {
  assert.deepEqual(viewOf({ start: NOW - 120 * MINUTE, end: NOW - 110 * MINUTE }, NOW), { range: "1h", at: NOW - 85 * MINUTE });
  assert.deepEqual(viewOf({ start: NOW - MINUTE, end: null }, NOW), { range: "5m", at: null });
  assert.deepEqual(viewOf({ start: NOW - 4.8 * MINUTE, end: NOW - 4.7 * MINUTE }, NOW), { range: "5m", at: Math.round(NOW - 2.25 * MINUTE) });
  assert.deepEqual(viewOf({ start: NOW - 40 * 1_440 * MINUTE, end: null }, NOW), { range: "30d", at: null });
  const link = eventAddress("/", event("a", NOW - 120 * MINUTE, NOW - 110 * MINUTE, { device: "a/b c" }), NOW);
  assert.equal(link, `/#range=1h&device=a%2Fb+c&at=${NOW - 85 * MINUTE}`);
  assert.equal(eventAddress("/", event("a", NOW - MINUTE, null, { device: "" }), NOW), "/#range=5m");
});

test("a device of any name has an address", () => {
  assert.equal(deviceAddress("/", "zigbee/küche/a b?#%"), "/devices/zigbee/k%C3%BCche/a%20b%3F%23%25");
  assert.equal(deviceAddress("/x/", "a/../b"), "/x/devices?name=a%2F..%2Fb");
});
