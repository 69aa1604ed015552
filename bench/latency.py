"""From a publish to the point on the page: real Mosquitto, real web service, real Chromium.

One series at irregular intervals is measured, reading by reading; four others publish ten times a second beside it.
"""

import random
import statistics
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import sync_playwright
from processes import SENSORLINE, answers, free_port, mosquitto, started, wait_for
from table import Row

READINGS = 100
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]

# Notes when each new point is first on the chart; Date.now() and the publisher's clock are one machine's.
WATCH = """
window.benchSeen = new Map();
const look = () => {
  for (const point of window.sensorline.points("bench", "probe")) {
    if (!window.benchSeen.has(point.t)) window.benchSeen.set(point.t, Date.now());
  }
  requestAnimationFrame(look);
};
look();
"""


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    if not Path(CHROMIUM).exists():
        return [Row("publish to browser", "left out: apt-get install chromium", "", "p50 < 60 ms")]
    health, http = free_port(), free_port()
    with mosquitto(folder) as port:
        env = {
            "MQTT_PORT": str(port),
            "STORE_PATH": str(folder / "latency.db"),
            "INGEST_HTTP_PORT": str(health),
            "WEB_PORT": str(http),
            "LOG_LEVEL": "error",
        }
        with (
            started([*SENSORLINE, "ingest"], folder / "i.log", env),
            started([*SENSORLINE, "web"], folder / "w.log", env),
        ):
            wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
            wait_for("web", lambda: answers(f"http://127.0.0.1:{http}/readyz"))
            latencies_ms = _measure_page(port, f"http://127.0.0.1:{http}/")
    latencies_ms.sort()
    p50, p99 = statistics.median(latencies_ms), latencies_ms[int(len(latencies_ms) * 0.99)]
    figure = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(latencies_ms)} readings)"
    to_reach = "p50 < 40 ms, p99 < 100 ms"
    return [Row("publish to the point on the page in Chromium", figure, "", to_reach, p50 < 40 and p99 < 100)]


def _measure_page(port: int, url: str) -> list[float]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended = threading.Event()

    def publish_beside() -> None:
        while not ended.wait(0.1):
            for i in range(4):
                client.publish(f"sensors/bench/beside{i}", f"{20 + random.random():.2f}")

    beside = threading.Thread(target=publish_beside)
    beside.start()
    try:
        client.publish("sensors/bench/probe", b"0")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(url)
            page.wait_for_function(
                "() => window.sensorline && window.sensorline.points('bench', 'probe').length > 0"
            )
            page.evaluate(WATCH)
            sent_ms = []
            for n in range(READINGS):
                sent_ms.append(time.time_ns() // 10**6)
                client.publish("sensors/bench/probe", f'{{"value":{n},"ts":{sent_ms[-1]}}}')
                time.sleep(random.uniform(0.1, 0.4))
            page.wait_for_function(f"() => window.benchSeen.has({sent_ms[-1]})")
            seen = dict(page.evaluate("[...window.benchSeen]"))
            browser.close()
    finally:
        ended.set()
        beside.join()
        client.loop_stop()
    missing = [t for t in sent_ms if t not in seen]
    assert not missing, f"{len(missing)} of {READINGS} readings never came to the page"
    return [float(seen[t] - t) for t in sent_ms]
