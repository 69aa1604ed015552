"""`sensorline web`: serve the dashboard."""

from typing import Any

import click

from sensorline.cli.fresh import become
from sensorline.cli.options import log_options, mqtt_options


@click.command()
@mqtt_options
@click.option("--bind", "web_host", metavar="ADDRESS", help="Address to serve on.")
@click.option("--http-port", "web_port", metavar="PORT", help="Port to serve on.")
@click.option("--async-mode", "web_async_mode", metavar="MODE", help="eventlet, gevent or threading.")
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
@log_options
def web(**arguments: Any) -> None:
    """Serve history and live readings to browsers."""
    # eventlet and gevent have to patch the standard library before anything else is imported.
    become("sensorline_web", arguments)
