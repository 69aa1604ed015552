import assert from "node:assert/strict";
import test from "node:test";

globalThis.document = { hidden: false };
const { Intake } = await import("../../services/web/sensorline_web/static/js/intake.js");
const { Losses } = await import("../../services/web/sensorline_web/static/js/losses.js");

const frame = (changes) => ({ t: 2, series: [["desk", "t", [1], [20], 1]], ...changes });

function build() {
  const asked = [];
  const page = { lines: () => [{ device: "desk", metric: "t" }], plotWidth: () => 500, dirty() {}, values() {}, anyError: () => false };
  const api = {
    series: async (group) => { asked.push(group); return new Promise(() => {}); },
    events: async () => new Promise(() => {}),
  };
  const clock = { now: () => 2 };
  const intake = new Intake({
    api,
    clock,
    losses: new Losses({ api, clock, timeline: { span: () => ({ from: "now-1h", to: "now" }) }, onChange() {}, onBooks() {} }),
    store: { reading: () => false },
    series: { add() {}, bucketWidths: [] },
    timeline: { paused: false, missed: 0, span: () => ({ from: "now-1h", to: "now" }) },
    page,
  });
  return { intake, asked };
}

test("a frame that says that others were left out has history loaded, once for several", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { intake, asked } = build();
  intake.liveHandlers.frame(frame());
  t.mock.timers.tick(10_000);
  assert.equal(asked.length, 0);
  for (let i = 0; i < 5; i += 1) intake.liveHandlers.frame(frame({ missed: true }));
  assert.equal(asked.length, 0);
  t.mock.timers.tick(10_000);
  assert.equal(asked.length, 1);
  intake.liveHandlers.frame(frame({ missed: true }));
  t.mock.timers.tick(10_000);
  assert.equal(asked.length, 2);
});

test("a hidden page fills no holes: it loads history when it is shown", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { intake, asked } = build();
  intake.hidden = true;
  intake.liveHandlers.frame(frame({ missed: true }));
  t.mock.timers.tick(10_000);
  assert.equal(asked.length, 0);
});
