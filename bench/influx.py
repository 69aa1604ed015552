"""InfluxDB: `series` for 1 h to 5 y at ten million readings, beside plain Flux; ingest's CPU beside a batching paho consumer.

Needs an influxd of its own: INFLUXD=/path/to/influxd, or one in PATH. Left out, with a sentence, where there is none.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest import COUNT, SERIES, load, metric, plain, stored
from processes import HERE, SENSORLINE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.reader import InfluxReader
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.influxdb.setup import set_up
from sensorline.stores.influxdb.writer import InfluxWriter

READINGS = 10_000_000
YEAR_S = 365 * 86_400
EVERY_S = {Series("bench", "years"): 300, Series("bench", "year"): 20} | {
    Series("bench", f"m{i}"): 1 for i in range(3)
}
"""Five years of a reading every five minutes, a year of one every 20 s; the others have one a second."""

LINES = list(EVERY_S)
RANGES_S = {"1 h": 3_600, "1 d": 86_400, "30 d": 30 * 86_400, "1 y": YEAR_S, "5 y": 5 * YEAR_S}
POINTS = 1_000
REPEATS = 60
ORG, TOKEN = "bench", "token-of-the-bench"


@contextmanager
def influxd(folder: Path, binary: str) -> Iterator[InfluxSettings]:
    """Run a private influxd with the store's buckets; yields settings for it."""
    port = free_port()
    argv = [binary, "--reporting-disabled", "--http-bind-address", f"127.0.0.1:{port}"]
    argv += ["--bolt-path", str(folder / "i.bolt"), "--sqlite-path", str(folder / "i.sqlite")]
    with started([*argv, "--engine-path", str(folder / "engine")], folder / "influxd.log"):
        url = f"http://127.0.0.1:{port}"
        wait_for("influxd", lambda: answers(f"{url}/health"))
        call(
            url,
            "/api/v2/setup",
            {
                "username": "bench",
                "password": "password-of-the-bench",
                "org": ORG,
                "bucket": "first",
                "token": TOKEN,
            },
        )
        settings = InfluxSettings(url=url, org=ORG, token=TOKEN, bucket="bench")  # type: ignore[arg-type]  # text becomes a secret
        set_up(settings, StoreSettings(keep_raw_days=0))
        yield settings


def influxd_binary() -> str | None:
    """Return the path of an influxd, or None."""
    return os.environ.get("INFLUXD") or shutil.which("influxd")


def call(url: str, path: str, body: object = None) -> dict[str, list[dict[str, str]]]:
    """Return an answer of InfluxDB's management API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Authorization": f"Token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return dict(json.loads(reply.read()))


def fill(settings: InfluxSettings, folder: Path) -> tuple[float, float]:
    """Store ten million readings: EVERY_S, as much of each a second as then is left."""
    writer = InfluxWriter(settings, StoreSettings(path=folder / "bench.db", keep_raw_days=0))
    now_s = int(time.time())
    begun_s = time.perf_counter()
    counts = {LINES[0]: 5 * YEAR_S // 300, LINES[1]: YEAR_S // 20}
    each = (READINGS - sum(counts.values())) // (len(LINES) - len(counts))
    for series, step_s in EVERY_S.items():
        count = counts.get(series, each)
        first_s = now_s - count * step_s
        for at in range(0, count, 20_000):
            times = [first_s + i * step_s for i in range(at, min(at + 20_000, count))]
            writer.commit(Batch.of([Reading(series, t * 10**9, 20 + t * 3 % 97 / 10) for t in times]))
    writer.drain(600)
    committed_s = time.perf_counter()
    while writer.step(time.time_ns(), 600):
        pass
    done_s = time.perf_counter()
    writer.close()
    return committed_s - begun_s, done_s - committed_s


def plain_flux(connection: Connection, series: Series, start_s: int, end_s: int) -> None:
    """Ask as one would: the range from raw readings, four aggregates of it."""
    every_s = max((end_s - start_s) // POINTS, 1)
    aggregates = "\n".join(
        f'd |> aggregateWindow(every: {every_s}s, fn: {fn}, createEmpty: false) |> yield(name: "{fn}")'
        for fn in ("min", "mean", "max", "count")
    )
    connection.flux(
        f'd = from(bucket: "bench") |> range(start: {start_s}, stop: {end_s})'
        f' |> filter(fn: (r) => r._measurement == "{series.metric}" and r.device == "{series.device}" and r._field == "value")\n'
        + aggregates
    )


def queries(settings: InfluxSettings) -> list[Row]:
    """Return a row for each range.

    Ranges take turns, so that what InfluxDB does beside (it has just been given ten million readings) meets all of them; plain
    Flux comes afterwards, because its garbage would slow down what follows.
    """
    reader, connection = InfluxReader(settings), Connection(settings)
    times_ms: dict[str, list[float]] = {name: [] for name in RANGES_S}
    for i in range(REPEATS):
        for name, seconds in RANGES_S.items():
            end_s = int(time.time()) - i
            begun_s = time.perf_counter()
            reader.query(_line(seconds), (end_s - seconds) * 10**9, end_s * 10**9, POINTS)
            times_ms[name].append((time.perf_counter() - begun_s) * 1000)
    rows = []
    for name, seconds in RANGES_S.items():
        end_s = int(time.time())
        begun_s = time.perf_counter()
        plain_flux(connection, _line(seconds), end_s - seconds, end_s)
        plain_ms = (time.perf_counter() - begun_s) * 1000
        p50, p95 = statistics.median(times_ms[name]), sorted(times_ms[name])[int(REPEATS * 0.95)]
        what = f"InfluxDB: series {name} at 10 million readings; plain Flux on raw {plain_ms:,.0f} ms"
        rows.append(Row(what, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms", "", "< 50 ms", p95 < 50))
    reader.close()
    connection.close()
    return rows


def _line(seconds: int) -> Series:
    """Return the series that reaches back as far."""
    return LINES[0] if seconds > YEAR_S else LINES[1] if seconds > 30 * 86_400 else LINES[2]


def plain_consumer(folder: Path, settings: InfluxSettings) -> float:
    """Return CPU µs a reading of a paho consumer with influxdb-client's batching API."""
    folder.mkdir()
    with mosquitto(folder) as port:
        argv = [
            sys.executable,
            str(HERE / "plain_influx_consumer.py"),
            str(port),
            str(COUNT),
            settings.url,
            ORG,
            TOKEN,
            "first",
        ]
        with started(argv, folder / "plain.log", stdout=subprocess.PIPE, stderr=None) as consumer:
            assert consumer.stdout
            assert consumer.stdout.readline().strip() == "ready"
            load(port)
            return float(json.loads(consumer.stdout.readline())["cpu_s"]) / COUNT * 1e6


def ours(folder: Path, settings: InfluxSettings) -> tuple[float, float, float]:
    """Return readings/s, CPU µs a reading and resident MB of ingest, everything delivered."""
    folder.mkdir()
    health = free_port()
    env = {
        "INGEST_HTTP_PORT": str(health),
        "LOG_LEVEL": "warning",
        "INFLUXDB_V2_URL": settings.url,
        "INFLUXDB_V2_ORG": ORG,
        "INFLUXDB_V2_TOKEN": TOKEN,
        "INFLUXDB_V2_BUCKET": settings.bucket,
    }
    with mosquitto(folder) as port:
        argv = [*SENSORLINE, "ingest", "-p", str(port), "--store", str(folder / "ingest.db")]
        with started(argv, folder / "ingest.log", env) as ingest:
            wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
            before_s, begun_s = cpu_s(ingest.pid), time.perf_counter()
            load(port)
            wait_for("all readings to be stored", lambda: stored(health) >= COUNT, 120)
            wait_for(
                "all readings to be delivered",
                lambda: metric(health, "sensorline_ingest_readings_undelivered") == 0,
                120,
            )
            seconds, cpu = time.perf_counter() - begun_s, cpu_s(ingest.pid) - before_s
            return COUNT / seconds, cpu / COUNT * 1e6, resident_mb(ingest.pid)


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    binary = influxd_binary()
    if not binary:
        return [Row("InfluxDB: left out, because there is no influxd (INFLUXD=/path/to/influxd)", "", "", "")]
    with influxd(folder, binary) as settings:
        plain_us = plain_consumer(folder / "plain", settings)
        (folder / "only").mkdir()
        _, only_us = plain(folder / "only")
        rate, cpu_us, memory_mb = ours(folder / "ours", settings)
        commit_s, rollup_s = fill(settings, folder)
        return [
            Row(
                "paho consumer with influxdb-client's batching API: CPU",
                f"{plain_us:.1f} µs a reading",
                "1",
                "",
            ),
            Row(
                f"ingest to InfluxDB, QoS 1, {SERIES} series: CPU",
                f"{cpu_us:.1f} µs a reading",
                f"{cpu_us / plain_us:.2f}",
                "",
            ),
            Row(
                f"the same, to a plain paho consumer that only decodes, {only_us:.1f} µs",
                f"{cpu_us:.1f} µs a reading",
                f"{cpu_us / only_us:.2f}",
                "≤ 0.20",
                cpu_us <= 0.2 * only_us,
            ),
            Row(
                "ingest to InfluxDB, QoS 1: rate, all delivered",
                f"{rate:,.0f} readings/s",
                "",
                "≥ 40,000",
                rate >= 40_000,
            ),
            Row(
                "ingest to InfluxDB: resident memory after the load",
                f"{memory_mb:.0f} MB",
                "",
                "< 60 MB",
                memory_mb < 60,
            ),
            Row(
                "InfluxDB, 10 million readings: commits / rollups",
                f"{commit_s / READINGS * 1e6:.2f} / {rollup_s / READINGS * 1e6:.2f} µs a reading",
                "",
                "",
            ),
            *queries(settings),
        ]
