// Puts a device's page together. Loaded as a module, after the Socket.IO client.
import { Api } from "./api.js";
import { DevicePage } from "./device.js";
import { LiveFeed } from "./live.js";
import { ServerClock } from "./time/clock.js";
import { Health } from "./view/health.js";
import { BookView } from "./view/book.js";
import { DeviceHead } from "./view/device-head.js";
import { EventList } from "./view/event-list.js";
import { Pill } from "./view/pill.js";
import { ThemeButton } from "./view/theme.js";
import { ValuesView } from "./view/values.js";

const { root, device } = document.body.dataset;
const base = new URL(root, location.href).href;
const clock = new ServerClock();
const theme = new ThemeButton(document.querySelector("#theme"));
const page = new DevicePage({
  id: device,
  api: new Api(base, clock),
  clock,
  head: new DeviceHead(document, root),
  book: new BookView(document),
  values: new ValuesView(document),
  list: new EventList(document, { root, device, kind: (kind) => page.setKind(kind), older: () => page.loadOlder() }),
  health: new Health(document.querySelector("#health"), root),
  pill: new Pill(document),
});

document.addEventListener("visibilitychange", () => page.setHidden(document.hidden));
document.addEventListener("keydown", (event) => {
  if (event.key === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) theme.next();
});
globalThis.sensorline = Object.freeze({ state: () => page.state() });
page.start(new LiveFeed(globalThis.io, base, page.liveHandlers));
