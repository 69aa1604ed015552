"""The `sensorline` command. Each subcommand is a file of its own and is imported only when it is used."""

import importlib
import sys
from typing import Any

import click

from sensorline import __version__
from sensorline.errors import SensorlineError

COMMANDS = {
    "up": "sensorline.cli.up:up",
    "ingest": "sensorline.cli.ingest:ingest",
    "web": "sensorline.cli.web:web",
    "node": "sensorline.cli.node:node",
    "config": "sensorline.cli.config:config",
    "doctor": "sensorline.cli.doctor:doctor",
    "explain": "sensorline.cli.explain:explain",
    "device": "sensorline.cli.device:device",
    "dead-letters": "sensorline.cli.dead_letters:dead_letters",
    "store": "sensorline.cli.store:store",
    "influx": "sensorline.cli.influx:influx",
    "assets": "sensorline.cli.assets:assets",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(__version__, prog_name="sensorline")
def cli() -> None:
    """From any MQTT sensor to a live dashboard: every reading stored once, shown at once."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command; errors that we raise on purpose are one clear line and an exit code."""
    try:
        return cli.main(args=argv, prog_name="sensorline")
    except SensorlineError as exc:
        click.echo(f"sensorline: {exc}", err=True)
        sys.exit(exc.exit_code)
