"""`sensorline dead-letters`: the messages that could not become readings."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any

import click

from sensorline import logging, topics
from sensorline.cli.options import flags, mqtt_options
from sensorline.errors import SensorlineError
from sensorline.mqtt import MqttLink, forget_session
from sensorline.reading import DeadLetter
from sensorline.settings import LogSettings, MqttSettings, StoreSettings, load
from sensorline.stores.base import DeadLetters
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.opening import open_dead_letters

REPLAY_TIMEOUT_S = 10.0


@click.group("dead-letters")
@click.option("--store", "store_path", metavar="FILE", help="SQLite database.")
@click.pass_context
def dead_letters(ctx: click.Context, store_path: str | None) -> None:
    """List, show, replay or drop rejected messages."""
    settings = load(StoreSettings, InfluxSettings, flags=flags({"store_path": store_path}))
    ctx.obj = open_dead_letters(settings[StoreSettings], settings[InfluxSettings])


@dead_letters.command("list")
@click.option(
    "-n",
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many, newest first.",
)
@click.pass_obj
def list_(kept: DeadLetters, limit: int) -> None:
    """List the newest: number, time, reason, topic, detail."""
    found = kept.list(limit)
    for d in found:
        click.echo(f"{d.id:>8}  {_when(d)}  {d.reason:<22} {d.topic}  {d.detail}")
    if not found:
        click.echo("no rejected messages", err=True)


@dead_letters.command()
@click.argument("number", type=int)
@click.pass_obj
def show(kept: DeadLetters, number: int) -> None:
    """Show one whole: its payload goes to standard output as it came, the rest to standard error."""
    d = _get(kept, number)
    click.echo(
        f"topic     {d.topic}\nreceived  {_when(d)}\nreason    {d.reason}\ndetail    {d.detail}", err=True
    )
    click.echo(d.payload)


@dead_letters.command()
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every one of them.")
@click.pass_obj
def drop(kept: DeadLetters, numbers: tuple[int, ...], everything: bool) -> None:
    """Delete the given ones, or --all."""
    if bool(numbers) == everything:
        raise click.UsageError("give numbers as `list` shows them, or --all")
    for number in numbers:
        _get(kept, number)
    click.echo(f"dropped {kept.drop(None if everything else numbers)}")


@dead_letters.command()
@click.argument("numbers", type=int, nargs=-1, required=True)
@mqtt_options
@click.pass_obj
def replay(kept: DeadLetters, /, numbers: tuple[int, ...], **arguments: Any) -> None:
    """Publish the given ones again on their topics and drop them here once ingest has them.

    What is still wrong is rejected anew. A payload without a time of its own is a reading of the time of the replay.
    """
    letters = [_get(kept, number) for number in numbers]
    loaded = load(MqttSettings, LogSettings, flags=flags(arguments))
    settings = loaded[MqttSettings]
    # The connection is told on standard error: standard output is for the answer.
    logging.configure(loaded[LogSettings], "replay")
    token = secrets.token_hex(8)
    client_id, answer = f"sensorline-replay-{token}", f"{topics.CONFIRMED}/{token}"
    # Mosquitto's use_username_as_clientid gives a user one session, whatever its client id. If that is ingest's, a clean
    # session would delete what waits there; so with a user name we look first whose it is.
    looks_first = bool(settings.username)
    found: list[bool] = []
    link = MqttLink(
        settings,
        client_id=client_id,
        clean_session=not looks_first,
        subscriptions=[(answer, 1)],
        on_connected=found.append,
    )
    link.start()
    try:
        deadline_s = time.monotonic() + REPLAY_TIMEOUT_S
        while not link.is_subscribed:
            if time.monotonic() > deadline_s:
                raise SensorlineError(f"cannot replay: {link.refusal or 'the broker does not answer'}")
            time.sleep(0.01)
        if found[0]:
            link.unsubscribe([answer])
            looks_first = False
            raise SensorlineError(
                f"cannot replay as {settings.username!r}: on this broker that user has a session already, as ingest has;"
                " use another user, with mosquitto/acl it is admin; nothing was sent"
            )
        messages = [(letter.topic, letter.payload) for letter in letters]
        for topic, payload in [*messages, (f"{topics.CONFIRM}/{token}", b"")]:
            if not link.publish(topic, payload, qos=1):
                raise SensorlineError(
                    "cannot replay: the connection to the broker broke; nothing was dropped"
                )
        # A broker keeps the order of one publisher, so ingest has committed the letters before it answers this.
        if link.take(REPLAY_TIMEOUT_S) is None:
            raise SensorlineError("cannot replay: ingest did not confirm; is it running? nothing was dropped")
    finally:
        link.stop()
        if looks_first and found:
            forget_session(settings, client_id)
    click.echo(f"replayed {kept.drop(numbers)}")


def _get(kept: DeadLetters, number: int) -> DeadLetter:
    found = kept.get(number)
    if found is None:
        raise SensorlineError(
            f"there is no dead letter {number}; `sensorline dead-letters list` shows their numbers"
        )
    return found


def _when(letter: DeadLetter) -> str:
    return (
        datetime.fromtimestamp(letter.received_ns / 1e9, UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
