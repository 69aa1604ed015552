"""`sensorline up`: everything on this machine, with one command."""

import os
from typing import Any

import click

from sensorline.cli.assets import vendor_folder
from sensorline.cli.options import flags, log_options, mqtt_options
from sensorline.settings import LogSettings, MqttSettings, StoreSettings, load
from sensorline.up.plan import Wishes
from sensorline.up.run import run_all
from sensorline.up.settings import UpSettings
from sensorline_ingest.settings import IngestSettings
from sensorline_node.settings import NodeSettings
from sensorline_web.settings import WebSettings


@click.command()
@click.option("--folder", "up_folder", metavar="FOLDER", help="Folder of all data; default: var.")
@click.option("--broker", "up_broker", metavar="NAME", help="Broker to start: auto, mosquitto or amqtt.")
@click.option("--bind", "web_host", metavar="ADDRESS", help="Address to serve the dashboard on.")
@click.option("--http-port", "web_port", metavar="PORT", help="Port of the dashboard, if it is free.")
@mqtt_options
@log_options
@click.pass_context
def up(ctx: click.Context, /, **arguments: Any) -> None:
    """Start broker, ingest, web and a sensor node, restart what dies, and stop all on Ctrl-C.

    With -h, -L, MQTT_HOST or MQTT_URL the broker is the one named; otherwise a private one is started.
    """
    given = flags(arguments)
    # Every group, also those that only the services read: a bad setting shows before anything has started.
    settings = load(
        UpSettings,
        MqttSettings,
        StoreSettings,
        LogSettings,
        IngestSettings,
        WebSettings,
        NodeSettings,
        flags=given,
    )
    mine, mqtt, store, log = (
        settings[UpSettings],
        settings[MqttSettings],
        settings[StoreSettings],
        settings[LogSettings],
    )
    ingest, web, node = settings[IngestSettings], settings[WebSettings], settings[NodeSettings]
    wishes = Wishes(
        folder=mine.folder,
        broker_kind=mine.broker,
        mqtt=mqtt,
        web_host=web.host,
        web_port=web.port,
        ingest_host=ingest.http_host,
        ingest_port=ingest.http_port,
        store_path=store.path if "path" in store.given else None,
        outbox_path=node.outbox_path if "outbox_path" in node.given else None,
        sensors=",".join(node.sensors) if "sensors" in node.given else None,
        log_level=log.level if "level" in log.given else None,
        log_format=log.format if "format" in log.given else None,
        environment={**os.environ, **{name: str(value) for name, value in given.items()}},
    )
    ctx.exit(run_all(wishes, vendor_folder()))
