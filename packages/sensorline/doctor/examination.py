"""All checks, one after the other; what one of them finds, another may need."""

import os
from collections.abc import Iterator
from pathlib import Path

from sensorline.doctor import clock, disk, influxdb, ingest, permissions, web
from sensorline.doctor.broker import Broker
from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.session import go_on
from sensorline.doctor.sqlite_file import SqliteFile
from sensorline.errors import SensorlineError

_BROKER_FOLDER = Path("/etc/mosquitto")


def examine(context: Context) -> Iterator[Finding]:
    """Yield everything that was found, in no particular order. Ends within 30 s unless a larger queue is to be tried."""
    yield ingest.ready(context.ingest_url)
    yield web.ready(context.web_url)
    yield from clock.look(synchronised=clock.is_synchronised())
    file, broker = SqliteFile(context), Broker(context)
    yield from _as_far_as_it_goes("store", file.findings())
    yield from _as_far_as_it_goes("files", _files(context, file))
    if context.influx.is_chosen:
        yield from influxdb.look(context)
    yield from _as_far_as_it_goes("broker", broker.findings())
    growth = None
    if broker.heard is not None:
        yield from ingest.told(broker.heard, may_listen=broker.may_listen)
        yield from clock.others(context, broker.heard)
        if broker.heard.readings_per_s is not None and file.bytes_per_reading is not None:
            growth = broker.heard.readings_per_s * file.bytes_per_reading
    yield from _as_far_as_it_goes("disk", disk.look(file.path.parent.absolute(), growth))


def _as_far_as_it_goes(part: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield them; what cannot be looked at further, a folder that is closed to us for example, ends this part only."""
    try:
        for finding in findings:
            yield finding
            go_on()
    except (SensorlineError, OSError) as exc:
        yield Finding(
            level=Level.UNSEEN, part=part, check="access", says=f"it was looked at no further: {exc}"
        )


def _files(context: Context, file: SqliteFile) -> Iterator[Finding]:
    secret = permissions.with_secrets(os.environ, context.secret_files, _env_file(), _broker_folders(context))
    return permissions.look(secret, [file.path])


def _env_file() -> Path:
    return Path(os.environ.get("SENSORLINE_ENV_FILE", ".env")).absolute()


def _broker_folders(context: Context) -> list[Path]:
    given = [context.mosquitto_conf.parent] if context.mosquitto_conf else []
    return [_BROKER_FOLDER, *given]
