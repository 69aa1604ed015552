"""A node comes back after a day without its broker: how fast its readings arrive in SQLite, and how late live ones are meanwhile.

Its outbox holds 24 hours of ten series at 1 Hz. Beside it a reading every 50 ms goes from another device through the broker and
the web service to a Socket.IO client. Nothing may be missing at the end: the store is counted, and the outbox is empty.
"""

import statistics
import time
from pathlib import Path

from catchup import Probe
from ingest import EVER_NS, stored
from processes import SENSORLINE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

from sensorline.reading import Series
from sensorline.stores.sqlite import SqliteReader
from sensorline_node.outbox import Outbox
from sensorline_node.sensors.base import Measurement

SECONDS = 86_400
METRICS = [f"m{i}" for i in range(10)]
COUNT = SECONDS * len(METRICS)
DEVICE = "away"
AT_ONCE = 600
OUTBOX_BYTES = 10**9


def fill(path: Path) -> None:
    """Put a day into an outbox, as a node whose broker is away does."""
    now_ms = time.time_ns() // 10**6
    outbox = Outbox(path, DEVICE, max_bytes=OUTBOX_BYTES, first_seq=now_ms - SECONDS * 1_000)
    first_s = now_ms // 1_000 - SECONDS
    for at in range(first_s, first_s + SECONDS, AT_ONCE):
        taken = outbox.put(
            [
                Measurement(metric, 20 + (t * (k + 3)) % 97 / 10, time_ns=t * 10**9)
                for t in range(at, at + AT_ONCE)
                for k, metric in enumerate(METRICS)
            ],
            now_ms,
        )
        assert len(taken) == AT_ONCE * len(METRICS)
    outbox.close()


def waiting(path: Path) -> int:
    """Return how many readings an outbox holds that nobody uses."""
    outbox = Outbox(path, DEVICE, max_bytes=OUTBOX_BYTES)
    count = outbox.count
    outbox.close()
    return count


def kept(store: Path) -> int:
    """Return how many readings of the day are in the store."""
    reader = SqliteReader(store)
    try:
        return sum(sum(reader.query(Series(DEVICE, metric), 0, EVER_NS, 1).n) for metric in METRICS)
    finally:
        reader.close()


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    store, outbox = folder / "outage.db", folder / "outbox.db"
    fill(outbox)
    health, http = free_port(), free_port()
    env = {
        "STORE_PATH": str(store),
        "INGEST_HTTP_PORT": str(health),
        "WEB_PORT": str(http),
        "LOG_LEVEL": "error",
        "NODE_NAME": DEVICE,
        "NODE_OUTBOX_PATH": str(outbox),
        "NODE_SENSORS": "simulated",
        "NODE_INTERVAL_S": "60",
    }
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
                wait_for("the live feed", lambda: len(probe.latencies_ms) > 10)
                with started([*SENSORLINE, "node"], folder / "node.log", env) as node:
                    probe.latencies_ms.clear()
                    before, begun_s = stored(health), time.perf_counter()
                    wait_for("the day to be stored", lambda: stored(health) >= before + COUNT, 300)
                    seconds, latencies = time.perf_counter() - begun_s, sorted(probe.latencies_ms)
                    node_us = cpu_s(node.pid) / COUNT * 1e6
                    memory = f"node {resident_mb(node.pid):.0f} MB, ingest {resident_mb(ingest.pid):.0f} MB"
            finally:
                probe.end()
        arrived = kept(store)
    assert arrived == COUNT, f"{COUNT} were in the outbox, {arrived} are in the store"
    left = waiting(outbox)
    p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    return [
        Row(
            f"a node's 24 hours, {COUNT:,} readings, from its outbox into SQLite, complete",
            f"{COUNT / seconds:,.0f} readings/s, {seconds:.0f} s; the node's CPU {node_us:.1f} µs a reading; {memory}; {left} wait",
            "",
            "≥ 20,000 readings/s",
            COUNT / seconds >= 20_000,
        ),
        Row(
            "live readings of another device to a Socket.IO client meanwhile",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(latencies)} readings)",
            "",
            "p99 < 200 ms",
            p99 < 200,
        ),
    ]
