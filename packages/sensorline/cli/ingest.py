"""`sensorline ingest`: store what the broker hands over."""

from typing import Any

import click

from sensorline import logging
from sensorline.cli.options import flags, log_options, mqtt_options
from sensorline.settings import DecodingSettings, LogSettings, MqttSettings, StoreSettings, load
from sensorline.stores.influxdb.settings import InfluxSettings


@click.command()
@mqtt_options
@click.option(
    "-i", "--id", "ingest_client_id", metavar="ID", help="Client id: the session that the broker keeps."
)
@click.option(
    "-t", "--topic", "ingest_topics", metavar="FILTER", multiple=True, help="Topic filter, repeatable."
)
@click.option(
    "-q", "--qos", "ingest_qos", metavar="QOS", help="Quality of service to subscribe with, 0 or 1."
)
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
@log_options
def ingest(**arguments: Any) -> None:
    """Store every reading, then acknowledge it."""
    from sensorline_ingest.service import run
    from sensorline_ingest.settings import IngestSettings

    settings = load(
        IngestSettings,
        MqttSettings,
        StoreSettings,
        DecodingSettings,
        InfluxSettings,
        LogSettings,
        flags=flags(arguments),
    )
    logging.configure(settings[LogSettings], "ingest")
    run(
        settings[IngestSettings],
        settings[MqttSettings],
        settings[StoreSettings],
        settings[DecodingSettings],
        settings[InfluxSettings],
    )
