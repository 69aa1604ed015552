"""`sensorline node`: read sensors and publish."""

from typing import Any

import click

from sensorline.cli.fresh import become
from sensorline.cli.options import log_options, mqtt_options


@click.command()
@mqtt_options
@click.option("-i", "--id", "node_client_id", metavar="ID", help="Client id.")
@click.option(
    "--name", "node_name", metavar="NAME", help="Device name, the part after sensors/ in its topics."
)
@click.option("--sensors", "node_sensors", metavar="NAMES", help="Sensors to read, separated by commas.")
@click.option("--interval", "node_interval_s", metavar="SECONDS", help="Seconds between two readings.")
@log_options
def node(**arguments: Any) -> None:
    """Read this machine's sensors and publish them."""
    # A node has 30 MB in all: the parser of the command line does not stay.
    become("sensorline_node", arguments)
