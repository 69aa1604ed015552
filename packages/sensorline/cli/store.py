"""`sensorline store`: what an operator does with the store's own file."""

from pathlib import Path

import click

from sensorline.cli.options import flags
from sensorline.settings import StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.opening import local_path
from sensorline.stores.sqlite.backup import back_up


@click.group()
def store() -> None:
    """Back up the SQLite file in which ingest keeps readings, or what it keeps beside InfluxDB."""


@store.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
def backup(file: Path, store_path: str | None) -> None:
    """Copy the store to FILE, which must not exist, while ingest runs; the copy is checked.

    With InfluxDB as the store this is the file beside it (dead letters, receipts, what is on its way); the readings are
    backed up with `influx backup`.
    """
    settings = load(StoreSettings, InfluxSettings, flags=flags({"store_path": store_path}))
    path = local_path(settings[StoreSettings], settings[InfluxSettings])
    made = back_up(path, file)
    held = f"{made.series:,} series"
    if made.readings is not None:
        held = f"{made.readings:,} readings in {held}"
    click.echo(f"backed up {path} to {file}: {held}, {made.size_bytes:,} bytes, checked")
