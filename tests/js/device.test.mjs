import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { hidden: false };
Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });
const { DevicePage } = await import("../../services/web/sensorline_web/static/js/device.js");

const NOW = 1_760_000_000_000;
const ENTRY = {
  device: "desk", name: "Desk", status: "online", last_seen: NOW, interval_s: 5, account: { received: 9, missing: 1 },
  metrics: [{ metric: "t", unit: "°C", name: null, time: NOW, value: 20 }],
};
const event = (id, count, more = {}) => ({ id, kind: "missing", device: "desk", start: NOW - 9_000, end: NOW - 5_000, count, ranges: [], detail: "", ...more });
const settled = () => new Promise((done) => setImmediate(done));

/** A page whose server has `server.device` and `server.events`, or fails with an Error in their place. */
function build(t, server) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const asked = [];
  const answer = async (name, value) => {
    asked.push(name);
    if (value instanceof Error) throw value;
    return value;
  };
  const shown = {};
  const view = (name) => ({ render: (...given) => { shown[name] = given; } });
  const live = { phase: "connected", attempt: 0, watched: [], watch: async (wish) => live.watched.push(wish) > 0, unwatch: () => live.watched.push(null) };
  const page = new DevicePage({
    id: "desk", clock: { now: () => NOW },
    api: { device: () => answer("device", server.device), events: () => answer("events", server.events) },
    head: view("head"), book: view("book"), values: view("values"), list: view("list"),
    health: { ...view("health"), note() {}, restart() {} }, pill: { show() {} },
  });
  return { page, live, asked, shown };
}

test("a device's page watches its series, and its book follows an event at once", async (t) => {
  const { page, live, asked } = build(t, { device: { devices: [ENTRY] }, events: { events: [event("a", 1)] } });
  await page.start(live);
  await settled();
  assert.deepEqual(live.watched, [{ series: [["desk", "t"]] }]);
  assert.deepEqual(page.state().events.map(({ id }) => id), ["a"]);
  asked.length = 0;
  page.liveHandlers.event(event("b", 2, { start: NOW - 2_000, end: null }));
  page.liveHandlers.event(event("c", 2, { device: "another" }));
  page.liveHandlers.event(event("a", 0));
  t.mock.timers.tick(600);
  await settled();
  assert.deepEqual(asked, ["device"]);
  assert.deepEqual(page.state().events.map(({ id }) => id), ["b"]);
});

test("what could not be loaded is asked for again, and said meanwhile", async (t) => {
  const server = { device: new Error("The server does not answer."), events: new Error("The server does not answer.") };
  const { page, live, shown } = build(t, server);
  await page.start(live);
  await settled();
  assert.equal(shown.head[1].problem, "The server does not answer.");
  assert.equal(page.state().loaded, false);
  Object.assign(server, { device: { devices: [ENTRY] }, events: { events: [event("a", 1)] } });
  t.mock.timers.tick(5_000);
  await settled();
  assert.equal(shown.head[1].problem, null);
  assert.equal(shown.list[1].loaded, true);
  assert.equal(page.state().account.missing, 1);
});

test("a hidden tab asks for nothing and is soon sent nothing; shown again, it is complete", async (t) => {
  const { page, live, asked } = build(t, { device: { devices: [ENTRY] }, events: { events: [] } });
  await page.start(live);
  await settled();
  asked.length = 0;
  page.setHidden(true);
  t.mock.timers.tick(120_000);
  await settled();
  assert.deepEqual([asked, live.watched.at(-1)], [[], null]);
  page.setHidden(false);
  await settled();
  assert.deepEqual(asked.sort(), ["device", "events"]);
  assert.deepEqual(live.watched.at(-1), { series: [["desk", "t"]] });
});
