"""`series` at ten million stored readings: 1 h, 1 d and 30 d, through the HTTP API, each answer a fresh one."""

import statistics
import time
import urllib.request
from pathlib import Path

from processes import SENSORLINE, answers, free_port, started, wait_for
from table import Row

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter

READINGS = 10_000_000
SERIES = [Series("bench", f"m{i}") for i in range(4)]
STEP_S = 1
RANGES = {"1 h": 3_600, "1 d": 86_400, "30 d": 30 * 86_400}
REPEATS = 30


def fill(store: Path) -> None:
    """Store ten million readings, one a second and series up to now, sealed and rolled up."""
    writer = SqliteWriter(StoreSettings(path=store))
    now_s = int(time.time())
    each = READINGS // len(SERIES)
    for first in range(0, each, 5_000):
        times = range(now_s - each + first, now_s - each + min(first + 5_000, each))
        for k, series in enumerate(SERIES):
            rows = [Reading(series, t * 10**9, 20 + (t * (k + 3)) % 97 / 10) for t in times]
            writer.commit(Batch.of(readings=rows))
            writer.maintain(time.time_ns())
    while writer.maintain(time.time_ns()):
        pass
    writer.close()


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    store = folder / "queries.db"
    fill(store)
    rows = []
    port = free_port()
    # No broker: the API answers from the store alone.
    env = {
        "WEB_PORT": str(port),
        "STORE_PATH": str(store),
        "MQTT_PORT": str(free_port()),
        "LOG_LEVEL": "error",
    }
    with started([*SENSORLINE, "web"], folder / "web.log", env):
        base = f"http://127.0.0.1:{port}"
        wait_for("web", lambda: answers(f"{base}/healthz"))
        for name, seconds in RANGES.items():
            times_ms = []
            for i in range(REPEATS):
                end_ms = int(time.time() * 1000) - i * 1_000
                series = SERIES[i % len(SERIES)]
                url = f"{base}/api/v1/series?device={series.device}&metric={series.metric}&from={end_ms - seconds * 1000}&to={end_ms}&max_points=1000"
                begun_s = time.perf_counter()
                with urllib.request.urlopen(url, timeout=30) as reply:
                    reply.read()
                times_ms.append((time.perf_counter() - begun_s) * 1000)
            p50, p95 = statistics.median(times_ms), sorted(times_ms)[int(REPEATS * 0.95)]
            rows.append(
                Row(
                    f"series {name} at 10 million readings, over HTTP",
                    f"p50 {p50:.1f} ms, p95 {p95:.1f} ms",
                    "",
                    "< 50 ms",
                    p95 < 50,
                )
            )
    return rows
