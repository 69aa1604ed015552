"""Telegraf from the same broker into the same InfluxDB, QoS 1, acknowledged after the write: CPU beside a plain paho consumer.

Needs a `telegraf` in PATH (or TELEGRAF=/path/to/telegraf) and an influxd; left out, with a sentence, where one is missing.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import paho.mqtt.publish as publish
from influx import ORG, TOKEN, call, influxd, influxd_binary
from ingest import COUNT, SERIES, load, plain
from processes import cpu_s, mosquitto, resident_mb, started, wait_for
from table import Row

from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.settings import InfluxSettings

CONFIG = """
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  omit_hostname = true
  quiet = true

[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{port}"]
  topics = ["sensors/+/+"]
  client_id = "telegraf-of-the-bench"
  qos = 1
  persistent_session = true
  max_undelivered_messages = 10000
  data_format = "json"
  json_time_key = "ts"
  json_time_format = "unix_ms"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "sensors/+/+"
    measurement = "_/_/measurement"
    tags = "_/device/_"

[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{token}"
  organization = "{org}"
  bucket = "{bucket}"
"""
"""A batch and a window of ingest's sizes: with Telegraf's defaults (1,000 each) it would be slower."""

BUCKET = "telegraf"


def telegraf(folder: Path, binary: str, settings: InfluxSettings) -> tuple[float, float, float]:
    """Return readings/s, CPU µs a reading and resident MB with every reading in InfluxDB."""
    folder.mkdir()
    org = call(settings.url, f"/api/v2/orgs?org={ORG}")["orgs"][0]["id"]
    call(settings.url, "/api/v2/buckets", {"orgID": org, "name": BUCKET})
    connection = Connection(settings)

    def written() -> int:
        rows = connection.flux(
            f'from(bucket: "{BUCKET}") |> range(start: 0) |> filter(fn: (r) => r._field == "value")'
            ' |> count() |> group() |> sum() |> keep(columns: ["_value"])'
        )
        return sum(int(row[-1]) for row in rows)

    def is_through() -> bool:
        # It says nowhere when it has subscribed: a first reading is published until one has come out.
        publish.single("sensors/probe/probe", b'{"value":1,"ts":1}', qos=1, port=port)
        return written() > 0

    with mosquitto(folder) as port:
        config = folder / "telegraf.conf"
        config.write_text(CONFIG.format(port=port, url=settings.url, token=TOKEN, org=ORG, bucket=BUCKET))
        with started([binary, "--config", str(config)], folder / "telegraf.log") as process:
            wait_for("Telegraf's first reading", is_through)
            before_s, begun_s = cpu_s(process.pid), time.perf_counter()
            load(port)
            wait_for("all readings to be in InfluxDB", lambda: written() > COUNT, 180)
            seconds, cpu = time.perf_counter() - begun_s, cpu_s(process.pid) - before_s
            memory = resident_mb(process.pid)
    connection.close()
    return COUNT / seconds, cpu / COUNT * 1e6, memory


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    binary, database = os.environ.get("TELEGRAF") or shutil.which("telegraf"), influxd_binary()
    if not binary or not database:
        missing = (
            "telegraf (TELEGRAF=/path/to/telegraf)" if not binary else "influxd (INFLUXD=/path/to/influxd)"
        )
        return [Row(f"Telegraf: left out, because there is no {missing}", "", "", "")]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()
    (folder / "plain").mkdir()
    _, plain_us = plain(folder / "plain")
    with influxd(folder, database) as settings:
        rate, cpu_us, memory_mb = telegraf(folder / "telegraf", binary, settings)
    return [
        Row(
            f"{' '.join(version[:2])} to InfluxDB, QoS 1, {SERIES} series: CPU",
            f"{cpu_us:.1f} µs a reading; plain paho {plain_us:.1f} µs",
            f"{cpu_us / plain_us:.2f}",
            "",
        ),
        Row(
            "the same: rate, all written; resident memory",
            f"{rate:,.0f} readings/s; {memory_mb:.0f} MB",
            "",
            "",
        ),
    ]
