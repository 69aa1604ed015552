"""The broker for machines without Mosquitto: amqtt, in a process of its own, on loopback, MQTT 3.1.1.

It keeps sessions, what waits for them and retained messages in memory, over any end of a client; they are lost with the
process. Readings of sensor nodes survive that too, because a node keeps them until ingest has confirmed them.
"""

import asyncio
import logging
import signal

import click

from sensorline.up.amqtt_sessions import make_broker

_HOST = "127.0.0.1"


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True, help="port to listen on")
def main(port: int) -> None:
    """Serve MQTT on 127.0.0.1 until SIGTERM or SIGINT."""
    screen = logging.StreamHandler()
    screen.addFilter(_worth_saying)
    logging.basicConfig(level=logging.ERROR, format="%(message)s", handlers=[screen])
    asyncio.run(_serve(port))


def _worth_saying(record: logging.LogRecord) -> bool:
    """Tell whether a person should see it: to amqtt a port check that says nothing is an error."""
    return not record.getMessage().startswith("No data from")


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    broker = make_broker(_HOST, port)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    main()
