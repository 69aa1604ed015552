"""`sensorline doctor`: what will lose data here, and which line mends it."""

import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from sensorline import logging
from sensorline.cli.options import flags, log_options, mqtt_options
from sensorline.doctor.context import QUEUE_WANTED, Context
from sensorline.doctor.examination import examine
from sensorline.doctor.findings import Level, as_json, as_text, in_order
from sensorline.doctor.session import end
from sensorline.fields import Settings
from sensorline.settings import DecodingSettings, LogSettings, MqttSettings, StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.up.ports import reachable
from sensorline_ingest.settings import IngestSettings
from sensorline_web.settings import WebSettings

_GROUPS: tuple[type[Settings], ...] = (
    MqttSettings,
    StoreSettings,
    InfluxSettings,
    DecodingSettings,
    LogSettings,
    IngestSettings,
    WebSettings,
)


@click.command()
@mqtt_options
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
@click.option(
    "--mosquitto-conf",
    metavar="FILE",
    envvar="DOCTOR_MOSQUITTO_CONF",
    show_envvar=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The broker's configuration; without it, that of the Mosquitto on this machine.",
)
@click.option(
    "--ingest-url", metavar="URL", envvar="DOCTOR_INGEST_URL", show_envvar=True, help="Ingest's /readyz."
)
@click.option("--web-url", metavar="URL", envvar="DOCTOR_WEB_URL", show_envvar=True, help="The dashboard's.")
@click.option(
    "--queue",
    default=QUEUE_WANTED,
    show_default=True,
    type=click.IntRange(100, 10_000_000),
    help="How many messages to have the broker keep when its queue is measured; more take longer.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 when there are warnings, too.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@log_options
def doctor(
    mosquitto_conf: Path | None,
    ingest_url: str | None,
    web_url: str | None,
    queue: int,
    strict: bool,
    is_json: bool,
    **arguments: Any,
) -> None:
    """Say what will lose data here, and which line mends it: broker, ingest, store, disk, clock, files.

    Looks by doing: a session of its own measures the broker's in-flight window, queue and packet size, below
    sensorline/doctor/, and takes everything away again. Ends within 30 s. Exits with 1 when there is a problem,
    with 0 otherwise; a warning is no problem without --strict.
    """
    begun_s = time.monotonic()
    loaded = load(*_GROUPS, flags={"LOG_LEVEL": "error"} | flags(arguments))
    logging.configure(loaded[LogSettings], "doctor")
    # Ended in order, so that no session stays behind at the broker; told a second time, at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    # What is written now by SQLite beside the store is for nobody else to read.
    os.umask(0o077)
    own, page = loaded[IngestSettings], loaded[WebSettings]
    context = Context(
        mqtt=loaded[MqttSettings],
        store=loaded[StoreSettings],
        influx=loaded[InfluxSettings],
        decoding=loaded[DecodingSettings],
        batch_max=own.batch_max,
        ingest_url=ingest_url or f"http://{_in_url(reachable(own.http_host))}:{own.http_port}",
        web_url=web_url or f"http://{_in_url(reachable(page.host))}:{page.port}",
        queue_wanted=queue,
        mosquitto_conf=mosquitto_conf,
        secret_files=(
            "MQTT_KEY",
            *(f"{g.env_name(f)}_FILE" for g in _GROUPS for f in g.fields if g.is_secret(f)),
        ),
        begun_s=begun_s,
    )
    found = in_order(examine(context))
    took_s = time.monotonic() - begun_s
    click.echo(as_json(found, took_s) if is_json else as_text(found, took_s))
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    if any(finding.level in bad for finding in found):
        raise SystemExit(1)


def _end(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    end(128 + number)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
