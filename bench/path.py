"""The way from the socket to the store and back, with a store that keeps nothing: CPU for each form of message, and for each stage."""

import subprocess
import sys
import time
from pathlib import Path

import ingest
from load import FORMS, message, packet
from null_ingest import NullWriter
from processes import HERE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

from sensorline.decoders import build_decoders
from sensorline.mqtt import RawMessage, packets
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.collector import calm_collector
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

READINGS = 300_000
SERIES = 500
SHOWN = {
    "number": "a plain number",
    "ts": '{"value","ts"}',
    "seq": '{"value","ts","seq"}',
    "object": "an object of 4 metrics",
    "array": 'an array of 10 {"value","ts"}',
}
STAGE_MESSAGES = 2_000
STAGE_REPEATS = 60


def through(folder: Path, form: str) -> tuple[float, float, float]:
    """Return readings/s, CPU µs a reading, and resident MB of ingest with a null store, fed through Mosquitto at QoS 1."""
    health, count = free_port(), READINGS // FORMS[form]
    env = {
        "INGEST_HTTP_PORT": str(health),
        "LOG_LEVEL": "warning",
        "STORE_PATH": str(folder / f"{form}.db"),
        "INFLUXDB_V2_URL": "",
    }
    with mosquitto(folder) as port:
        argv = [sys.executable, str(HERE / "null_ingest.py"), "-p", str(port)]
        with started(argv, folder / "ingest.log", env) as process:
            wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
            before_s, begun_s = cpu_s(process.pid), time.perf_counter()
            load = [sys.executable, str(HERE / "load.py"), str(port), str(count), str(SERIES), "0", form]
            subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
            readings = count * FORMS[form]
            wait_for("all readings to pass", lambda: ingest.stored(health) >= readings, 120)
            seconds, cpu = time.perf_counter() - begun_s, cpu_s(process.pid) - before_s
            return readings / seconds, cpu / readings * 1e6, resident_mb(process.pid)


def stages(form: str) -> dict[str, float]:
    """Return CPU µs a reading of each stage by itself, the best of several turns in this process."""
    base_ms = time.time_ns() // 10**6 - 10**6
    wire = b"".join(packet(*message(form, n, SERIES, base_ms), n % 65_000 + 1) for n in range(STAGE_MESSAGES))
    pipeline = Pipeline(build_decoders(), NullWriter(), Cardinality((), 10_000, 1_000), IngestMetrics())
    calm_collector()
    best: dict[str, float] = {}

    def timed(stage: str, begun_s: float) -> float:
        now_s = time.thread_time()
        cost = (now_s - begun_s) / STAGE_MESSAGES / FORMS[form] * 1e6
        best[stage] = min(cost, best.get(stage, cost))
        return time.thread_time()

    for _ in range(STAGE_REPEATS):
        messages: list[RawMessage] = []
        begun_s = time.thread_time()
        packets.split(wire, time.time_ns() // 10**6 * 10**6, messages, lambda packet: True)
        begun_s = timed("split", begun_s)
        batch = pipeline.decode(messages)
        begun_s = timed("decode, receipts, columns, tracking", begun_s)
        packets.pubacks(batch.packet_ids)
        timed("PUBACKs", begun_s)
    return best


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    _, plain_us = ingest.plain(folder)
    rows = [Row("plain paho consumer, decodes only", f"{plain_us:.1f} µs CPU a reading", "1", "")]
    for form, shown in SHOWN.items():
        rate, cpu_us, memory = through(folder, form)
        ratio = cpu_us / plain_us
        to_reach, reached = ("≤ 0.13", ratio <= 0.13) if form in ("number", "ts") else ("", None)
        figure = f"{cpu_us:.2f} µs CPU a reading, {rate:,.0f} readings/s, {memory:.0f} MB"
        rows.append(Row(f"socket to null store and back: {shown}", figure, f"{ratio:.3f}", to_reach, reached))
        parts = ", ".join(f"{stage} {cost:.2f} µs" for stage, cost in stages(form).items())
        rows.append(Row(f"of it, by itself: {shown}", parts, "", ""))
    return rows
