"""A day of a sensor node's readings that waited in its outbox: how fast they are stored, and what others notice of it.

24 hours, one reading a second of ten series. The broker comes back, and with it the node: 864,000 readings go from the outbox through
Mosquitto and ingest into SQLite, each confirmed and deleted. Beside it another device's readings go to a Socket.IO client.
"""

import statistics
import time
from pathlib import Path

from catchup import Probe
from ingest import EVER_NS, stored
from processes import SENSORLINE, answers, cpu_s, free_port, mosquitto, started, wait_for
from table import Row

from sensorline.reading import Series
from sensorline.stores.sqlite import SqliteReader
from sensorline_node.outbox import Outbox
from sensorline_node.sensors.base import Measurement

SECONDS = 86_400
SERIES = 10
COUNT = SECONDS * SERIES
DEVICE = "away"


def fill(path: Path) -> None:
    """Make an outbox of a day that ends now."""
    outbox = Outbox(path, DEVICE, max_bytes=10**9, first_seq=time.time_ns() // 10**6)
    begin_ns = time.time_ns() - SECONDS * 10**9
    for second in range(0, SECONDS, 100):
        outbox.put(
            [
                Measurement(f"t{n}", round(20 + n + s % 977 / 100, 2), "°C", begin_ns + s * 10**9)
                for s in range(second, second + 100)
                for n in range(SERIES)
            ],
            time.time_ns() // 10**6,
        )
    outbox.close()


def kept(store: Path) -> int:
    """Return how many readings of the day are in the store."""
    reader = SqliteReader(store)
    try:
        return sum(sum(reader.query(Series(DEVICE, f"t{n}"), 0, EVER_NS, 1).n) for n in range(SERIES))
    finally:
        reader.close()


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    health, http, path = free_port(), free_port(), folder / "outbox.db"
    fill(path)
    env = {
        "STORE_PATH": str(folder / "backlog.db"),
        "INGEST_HTTP_PORT": str(health),
        "WEB_PORT": str(http),
        "LOG_LEVEL": "error",
    }
    node_env = {"NODE_NAME": DEVICE, "NODE_SENSORS": "host", "NODE_OUTBOX_PATH": str(path)}
    with mosquitto(folder) as port:
        env["MQTT_PORT"] = str(port)
        with (
            started([*SENSORLINE, "ingest"], folder / "ingest.log", env) as ingest,
            started([*SENSORLINE, "web"], folder / "web.log", env),
        ):
            wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
            wait_for("web", lambda: answers(f"http://127.0.0.1:{http}/readyz"))
            probe = Probe(port, f"http://127.0.0.1:{http}")
            try:
                wait_for("the live feed", lambda: len(probe.latencies_ms) > 20)
                probe.latencies_ms.clear()
                with started([*SENSORLINE, "node"], folder / "node.log", env | node_env) as node:
                    before = stored(health)
                    wait_for("the node's first readings", lambda: stored(health) > before + 1_000)
                    begun_s, first, ingest_s = time.perf_counter(), stored(health), cpu_s(ingest.pid)
                    wait_for("the day to be stored", lambda: stored(health) >= COUNT, 180)
                    seconds = time.perf_counter() - begun_s
                    rate, node_us = (COUNT - first) / seconds, cpu_s(node.pid) / COUNT * 1e6
                    ingest_us = (cpu_s(ingest.pid) - ingest_s) / COUNT * 1e6
                    peak_mb = _peak_mb(node.pid)
            finally:
                probe.end()
    arrived = kept(folder / "backlog.db")
    assert arrived == COUNT, f"{COUNT} were in the outbox, {arrived} are in the store"
    latencies = sorted(probe.latencies_ms)
    p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    return [
        Row(
            f"a day of a node's readings ({COUNT:,}) out of its outbox into SQLite",
            f"{rate:,.0f} readings/s, {seconds:.0f} s; CPU a reading: node {node_us:.1f} µs, ingest {ingest_us:.1f} µs",
            "",
            "≥ 20,000 readings/s",
            rate >= 20_000,
        ),
        Row("the node's memory meanwhile", f"{peak_mb:.1f} MB at most", "", "< 30 MB", peak_mb < 30),
        Row(
            "another device's live readings to a Socket.IO client meanwhile",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(latencies)} readings)",
            "",
            "p99 < 200 ms",
            p99 < 200,
        ),
    ]


def _peak_mb(pid: int) -> float:
    """Return the most memory that a process has had resident (proc(5), VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
