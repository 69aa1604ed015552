"""`sensorline influx`: what an operator does once with an InfluxDB."""

from pathlib import Path
from typing import Any

import click

from sensorline.cli.options import flags
from sensorline.errors import Problem, SensorlineError, SettingsError
from sensorline.settings import StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings


@click.group()
def influx() -> None:
    """Prepare an InfluxDB for Sensorline."""


@influx.command()
@click.option("--url", "influxdb_v2_url", metavar="URL", help="InfluxDB as http://host:8086.")
@click.option("--org", "influxdb_v2_org", metavar="NAME", help="Organization.")
@click.option("--bucket", "influxdb_v2_bucket", metavar="NAME", help="Bucket of single readings.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write ingest.token, web.token and admin.token there (mode 0600) instead of printing them.",
)
@click.option(
    "--shorten-retention",
    is_flag=True,
    help="Let buckets be kept shorter than they are now: InfluxDB deletes what is older, for good.",
)
def setup(folder: Path | None, shorten_retention: bool, **arguments: Any) -> None:
    """Make buckets with their retention, and a token each for ingest, web and administration.

    INFLUXDB_V2_TOKEN (or INFLUXDB_V2_TOKEN_FILE) is the operator's token here; no service needs it. Done again, it
    makes what is missing and adapts the retention to STORE_KEEP_…_DAYS; a shorter one only with --shorten-retention.
    """
    loaded = load(InfluxSettings, StoreSettings, flags=flags(arguments))
    settings = loaded[InfluxSettings]
    if not settings.is_chosen:
        raise SettingsError(
            [Problem("INFLUXDB_V2_URL", "", "expected where InfluxDB is, as http://host:8086")]
        )
    try:
        from sensorline.stores.influxdb.setup import set_up, write_tokens
    except ImportError as exc:
        raise SensorlineError("influxdb-client is not installed: pip install 'sensorline[influxdb]'") from exc
    made = set_up(settings, loaded[StoreSettings], may_shorten=shorten_retention)
    for line in made.told:
        click.echo(line, err=True)
    if folder is None:
        for who, token in made.tokens.items():
            click.echo(f"# {who}\nINFLUXDB_V2_TOKEN={token}")
        return
    try:
        write_tokens(folder, made.tokens, lambda line: click.echo(line, err=True))
    except OSError as exc:
        raise SensorlineError(f"cannot write tokens to {folder}: {exc.strerror}") from exc
