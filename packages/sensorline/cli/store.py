"""`sensorline store`: what an operator does with the store's own file."""

from pathlib import Path

import click

from sensorline.cli.options import flags
from sensorline.settings import StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.opening import local_path
from sensorline.stores.sqlite.backup import back_up
from sensorline.stores.sqlite.check import Check


@click.group()
def store() -> None:
    """Check or back up the SQLite file in which ingest keeps readings, or back up what it keeps beside InfluxDB."""


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


@store.command()
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
@click.option("--repair", is_flag=True, help="Make rollups anew that do not say what their readings say.")
def check(store_path: str | None, repair: bool) -> None:
    """Check the embedded store, also while ingest runs: checksums, order, counts, and rollups against their readings.

    Prints a line for each fault and one at the end. Exits with 1 when there are faults left.
    """
    settings = load(StoreSettings, InfluxSettings, flags=flags({"store_path": store_path}))
    if settings[InfluxSettings].is_chosen:
        raise click.UsageError("this checks the embedded store; the readings are in InfluxDB")
    path = settings[StoreSettings].path
    looked_at = Check(path, repair=repair)
    for finding in looked_at.findings():
        click.echo(finding)
    found = looked_at.result
    click.echo(
        f"checked {path}: {found.readings:,} readings in {found.series:,} series, {found.blocks:,} blocks,"
        f" {found.entries:,} entries of the journal; {found.faults or 'no'} fault{'' if found.faults == 1 else 's'}"
        + (f", {found.repaired:,} repaired" if found.repaired else "")
    )
    if found.faults:
        raise SystemExit(1)
