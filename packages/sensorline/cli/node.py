"""`sensorline node`: read sensors and publish."""

from typing import Any

import click

from sensorline import logging
from sensorline.cli.options import flags, log_options, mqtt_options
from sensorline.settings import LogSettings, MqttSettings, load


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
    from sensorline_node.app import run
    from sensorline_node.settings import NodeSettings

    settings = load(NodeSettings, MqttSettings, LogSettings, flags=flags(arguments))
    logging.configure(settings[LogSettings], "node")
    run(settings[NodeSettings], settings[MqttSettings])
