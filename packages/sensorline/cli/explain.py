"""`sensorline explain`: which decoder takes a message and what it becomes."""

import sys
import time
from datetime import UTC, datetime

import click

from sensorline.decoders import build_decoders, time_limits
from sensorline.errors import Rejected
from sensorline.reading import Reading
from sensorline.settings import DecodingSettings, StoreSettings, load


@click.command()
@click.argument("topic")
@click.argument("payload")
@click.option("-r", "--retain", is_flag=True, help="As if the broker had kept the message.")
def explain(topic: str, payload: str, retain: bool) -> None:
    """Say what PAYLOAD on TOPIC becomes, or why it is rejected (exit code 1). `-` reads the payload from standard input."""
    data = sys.stdin.buffer.read() if payload == "-" else payload.encode(errors="surrogateescape")
    received_ns = time.time_ns() // 10**6 * 10**6
    settings = load(DecodingSettings, StoreSettings)
    decoders = build_decoders(time_limits(settings[DecodingSettings], settings[StoreSettings]))
    try:
        name = topic.encode(errors="surrogateescape")
        click.echo(f"decoder   {decoders.choose(name).name}")
        decoded = decoders.decode(name, data, retain, received_ns)
    except Rejected as exc:
        click.echo(f"rejected  {exc.reason}: {exc.detail}")
        sys.exit(1)
    for reading in decoded.readings:
        click.echo(f"reading   {_shown(reading)}")
    for reading in decoded.state:
        click.echo(f"state     {_shown(reading)}: retained and without a time: shown, not stored")
    for facts in decoded.facts:
        known = {
            f: v
            for f in facts.__struct_fields__
            if (v := getattr(facts, f)) not in (None, {}) and f != "device"
        }
        said = ", ".join(f"{field} {value}" for field, value in known.items())
        click.echo(f"fact      {facts.device}: {said}")
    for text in decoded.ignored:
        click.echo(f"ignored   {text}")
    for reject in decoded.rejects:
        click.echo(f"rejected  {reject.reason}: {reject.detail}")
    if decoded.rejects:
        sys.exit(1)


def _shown(reading: Reading) -> str:
    when = datetime.fromtimestamp(reading.time_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    source = "its own time" if reading.has_own_time else "the received time"
    seq = "" if reading.seq is None else f", seq {reading.seq}"
    return (
        f"{reading.series.device}: {reading.series.metric} = {reading.value:.17g} at {when} ({source}{seq})"
    )
