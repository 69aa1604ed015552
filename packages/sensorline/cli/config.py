"""`sensorline config`: what is in force."""

from typing import Any

import click

from sensorline.cli.options import flags, mqtt_options
from sensorline.settings import LogSettings, MqttSettings, Settings, StoreSettings, load


def all_groups() -> list[type[Settings]]:
    """Return every group of settings, in the order of docs/settings.md."""
    from sensorline_ingest.settings import IngestSettings
    from sensorline_node.settings import NodeSettings
    from sensorline_web.settings import WebSettings

    return [MqttSettings, StoreSettings, IngestSettings, WebSettings, NodeSettings, LogSettings]


@click.command()
@mqtt_options
def config(**arguments: Any) -> None:
    """Print every setting in force, secrets masked."""
    for settings in load(*all_groups(), flags=flags(arguments)):
        click.echo(f"# {settings.title}")
        for name, value in settings.shown().items():
            click.echo(f"{name}={value}")
