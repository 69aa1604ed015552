"""Broker to SQLite at QoS 1, beside a plain paho consumer that only decodes: readings/s and CPU for each reading."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from processes import HERE, SENSORLINE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

from sensorline.stores.sqlite import SqliteReader

COUNT = 200_000
SERIES = 500
EVER_NS = 4_000_000_000 * 10**9


def load(port: int) -> float:
    """Publish from a process of its own; returns its seconds."""
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py"), str(port), str(COUNT), str(SERIES)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def plain(folder: Path) -> tuple[float, float]:
    """Return readings/s and CPU µs a reading of the plain consumer."""
    with mosquitto(folder) as port:
        argv = [sys.executable, str(HERE / "plain_consumer.py"), str(port), str(COUNT)]
        with started(argv, folder / "plain.log", stdout=subprocess.PIPE, stderr=None) as consumer:
            assert consumer.stdout
            assert consumer.stdout.readline().strip() == "ready"
            load(port)
            result = json.loads(consumer.stdout.readline())
    return COUNT / result["seconds"], result["cpu_s"] / COUNT * 1e6


def ours(folder: Path) -> tuple[float, float, float]:
    """Return readings/s, CPU µs a reading and resident MB of ingest with everything committed."""
    store = folder / "ingest.db"
    health = free_port()
    with mosquitto(folder) as port:
        argv = [*SENSORLINE, "ingest", "-p", str(port), "--store", str(store)]
        with started(
            argv, folder / "ingest.log", {"INGEST_HTTP_PORT": str(health), "LOG_LEVEL": "warning"}
        ) as ingest:
            wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
            before_s, begun_s = cpu_s(ingest.pid), time.perf_counter()
            load(port)
            wait_for("all readings to be stored", lambda: stored(health) >= COUNT, 120)
            seconds, cpu = time.perf_counter() - begun_s, cpu_s(ingest.pid) - before_s
            memory = resident_mb(ingest.pid)
        reader = SqliteReader(store)
        kept = sum(sum(reader.query(info.series, 0, EVER_NS, 1).n) for info in reader.latest())
        reader.close()
        assert kept == COUNT, f"{COUNT} published, {kept} stored"
    return COUNT / seconds, cpu / COUNT * 1e6, memory


def stored(health: int) -> float:
    """Return how many readings ingest says it stored."""
    return metric(health, "sensorline_ingest_readings_stored_total")


def metric(health: int, name: str) -> float:
    """Return a metric of ingest, 0 while there is none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics", timeout=5) as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
    return 0.0


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    plain_rate, plain_us = plain(folder)
    rate, cpu_us, memory = ours(folder)
    return [
        Row(
            "plain paho consumer, decodes only",
            f"{plain_rate:,.0f} readings/s, {plain_us:.1f} µs CPU a reading",
            "1",
            "",
        ),
        Row(
            "ingest to SQLite, QoS 1, all committed: rate",
            f"{rate:,.0f} readings/s",
            f"{rate / plain_rate:.2f}",
            "≥ 40,000",
            rate >= 40_000,
        ),
        Row(
            "ingest to SQLite: CPU a reading",
            f"{cpu_us:.1f} µs",
            f"{cpu_us / plain_us:.2f}",
            "≤ 0.30",
            cpu_us <= 0.3 * plain_us,
        ),
        Row(
            f"ingest: resident memory after {COUNT:,} readings",
            f"{memory:.0f} MB",
            "",
            "< 60 MB",
            memory < 60,
        ),
    ]
