import assert from "node:assert/strict";
import test from "node:test";
import { Api, groupLines, seriesQuery } from "../../services/web/sensorline_web/static/js/api.js";
import { HistoryLoader } from "../../services/web/sensorline_web/static/js/history.js";
import { ServerClock } from "../../services/web/sensorline_web/static/js/time/clock.js";

const SPAN = { from: "now-1h", to: "now", maxPoints: 800 };
const lines = (count, metric = "m") => Array.from({ length: count }, (_, i) => ({ device: `d${i}`, metric }));
const answer = (group) => ({
  now: 1, series: group.map(({ device, metric }) => ({ device, metric, bucket_ms: 0, t: [], min: [], mean: [], max: [], n: [] })),
});

test("devices and metrics stand in the query as pairs by position", () => {
  const query = new URLSearchParams(seriesQuery([{ device: "a&b", metric: "x" }, { device: "c", metric: "y z" }], SPAN));
  assert.deepEqual([query.getAll("device"), query.getAll("metric")], [["a&b", "c"], ["x", "y z"]]);
  assert.equal(query.get("max_points"), "800");
});

test("many series go out in several requests of bounded length", () => {
  assert.equal(groupLines(lines(30)).length, 1);
  const groups = groupLines(lines(100).map(({ device, metric }) => ({ device: device.repeat(30), metric })));
  assert.ok(groups.every((group) => group.length <= 40 && seriesQuery(group, SPAN).length < 6_000));
  assert.equal(groups.flat().length, 100);
});

test("every line gets its answer", async () => {
  const loader = new HistoryLoader({ series: async (group) => answer(group) });
  const got = [];
  const done = await loader.load(lines(90), SPAN, { onAnswer: (line) => got.push(line.device), onError: assert.fail });
  assert.ok(done);
  assert.equal(new Set(got).size, 90);
});

test("an answer that comes after a newer request is dropped", async () => {
  const waiting = [];
  const loader = new HistoryLoader({ series: (group, span) => new Promise((resolve) => waiting.push(() => resolve({ ...answer(group), span }))) });
  const got = [];
  const handlers = { onAnswer: (line, series, { span }) => got.push(span.from), onError: assert.fail };
  const first = loader.load(lines(1), { ...SPAN, from: "old" }, handlers);
  const second = loader.load(lines(1), { ...SPAN, from: "new" }, handlers);
  waiting[1]();
  waiting[0]();
  assert.deepEqual(await Promise.all([first, second]), [false, true]);
  assert.deepEqual(got, ["new"]);
});

test("a refused metric does not take the others along", async () => {
  const series = async (group) => {
    if (group.some((line) => line.metric === "bad")) throw Object.assign(new Error("no such series"), { status: 404 });
    return answer(group);
  };
  const [good, bad] = [[], []];
  await new HistoryLoader({ series }).load([...lines(3), ...lines(2, "bad"), ...lines(2, "other")], SPAN, {
    onAnswer: (line) => good.push(line.metric), onError: (line, error) => bad.push(`${line.metric}: ${error.message}`),
  });
  assert.deepEqual(good.sort(), ["m", "m", "m", "other", "other"]);
  assert.deepEqual(bad, ["bad: no such series", "bad: no such series"]);
});

test("errors come with the server's words, and with ours when there is no server", async () => {
  const clock = new ServerClock(() => 0);
  const problem = new Response(JSON.stringify({ title: "Bad", detail: "from is after to" }), { status: 400 });
  await assert.rejects(new Api("http://x/", clock, async () => problem).devices(), { message: "from is after to", status: 400 });
  const page = new Response("<html>", { status: 502, statusText: "Bad Gateway" });
  await assert.rejects(new Api("http://x/", clock, async () => page).devices(), { message: "The server answered 502 Bad Gateway.", status: 502 });
  const down = async () => { throw new TypeError("fetch failed"); };
  await assert.rejects(new Api("http://x/", clock, down).devices(), { message: "The server does not answer.", status: 0 });
});

test("requests stay below the page's own address", async () => {
  let asked;
  const api = new Api("http://x/prefix/", new ServerClock(() => 0), async (url) => {
    asked = url.href;
    return new Response('{"now":1,"devices":[]}');
  });
  await api.devices();
  assert.equal(asked, "http://x/prefix/api/v1/devices");
});
