"""All checks, one after the other; what one of them finds, another may need."""

import os
from collections.abc import Iterator
from pathlib import Path

from sensorline.doctor import clock, disk, influxdb, ingest, permissions, web
from sensorline.doctor.broker import Broker
from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding
from sensorline.doctor.sqlite_file import SqliteFile

_BROKER_FOLDER = Path("/etc/mosquitto")


def examine(context: Context) -> Iterator[Finding]:
    """Yield everything that was found, in no particular order. Ends within 30 s unless a larger queue is to be tried."""
    yield ingest.ready(context.ingest_url)
    yield web.ready(context.web_url)
    yield from clock.look(synchronised=clock.is_synchronised())
    file = SqliteFile(context)
    yield from file.findings()
    yield from permissions.look(
        permissions.with_secrets(os.environ, context.secret_files, _env_file(), _broker_folders(context)),
        [file.path],
    )
    if context.influx.is_chosen:
        yield from influxdb.look(context)
    broker = Broker(context)
    yield from broker.findings()
    growth = None
    if broker.heard is not None:
        yield from ingest.told(broker.heard, may_listen=broker.may_listen)
        yield from clock.others(context, broker.heard)
        if broker.heard.readings_per_s is not None and file.bytes_per_reading is not None:
            growth = broker.heard.readings_per_s * file.bytes_per_reading
    yield from disk.look(file.path.parent.absolute(), growth)


def _env_file() -> Path:
    return Path(os.environ.get("SENSORLINE_ENV_FILE", ".env")).absolute()


def _broker_folders(context: Context) -> list[Path]:
    given = [context.mosquitto_conf.parent] if context.mosquitto_conf else []
    return [_BROKER_FOLDER, *given]
