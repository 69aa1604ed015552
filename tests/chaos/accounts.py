"""Sets of numbered readings: what was attempted, what was acknowledged, what is stored. In the manner of Jepsen's set checker."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.chaos.core_link import Witness
from tests.chaos.node import Taken
from tests.chaos.numbering import number_of, value_of
from tests.chaos.publisher import DEVICES, Sent
from tests.support.stored import EVER_NS

from sensorline.reading import DeadLetter
from sensorline.stores.base import StoreReader

Stored = Mapping[tuple[str, str], list[tuple[int, float]]]
"""(device, metric) → (time_ns, value) of every reading."""

MOST_SHIFTED_NS = 1_000


class Account(NamedTuple):
    """One source's sets, as counts; what must be empty is named in `faults`."""

    source: str
    attempted: int
    acknowledged: int
    stored: int
    lost: int
    duplicated: int
    unexpected: int
    recovered: int
    """Stored although nobody had acknowledged it: a kill came between."""
    not_promised: int
    """Confirmed by the broker to a plain publisher, and lost by the broker when it was killed."""
    faults: tuple[str, ...]


def read_all(reader: StoreReader) -> Stored:
    """Return everything that a store has."""
    return {
        (info.series.device, info.series.metric): list(reader.export(info.series, 0, EVER_NS))
        for info in reader.latest()
    }


def node_account(device: str, attempted: int, taken: Mapping[int, Taken], stored: Stored) -> Account:
    """Compare a node's outbox with the store: what it took is there, once, at its time; nothing else is."""
    found: Counter[int] = Counter()
    unexpected = []
    for (name, metric), readings in stored.items():
        if name != device:
            continue
        for time_ns, value in readings:
            number = number_of(value)
            known = taken.get(number)
            is_ours = 0 <= number < attempted and value == value_of(device, number)
            if not is_ours or (known is not None and known != Taken(metric, time_ns // 10**6, value)):
                unexpected.append(f"{metric} {value} at {time_ns}")
            found[number] += 1
    lost = sorted(taken.keys() - found.keys())
    doubled = [number for number, count in found.items() if count > 1]
    return Account(
        device,
        attempted,
        len(taken),
        found.total(),
        len(lost),
        found.total() - len(found),
        len(unexpected),
        len(found.keys() - taken.keys()),
        0,
        tuple(_named(device, lost=lost, duplicated=doubled, unexpected=unexpected)),
    )


def plain_account(
    sent: list[Sent],
    confirmed: set[int],
    explained: set[int],
    witness: Witness,
    stored: Stored,
    letters: list[DeadLetter],
) -> Account:
    """Compare what a plain publisher sent, and what the broker handed over, with readings and dead letters.

    `explained` are the numbers that the broker had confirmed and then lost, because it was killed or its database damaged.
    """
    found: Counter[int] = Counter()
    unexpected: list[object] = []
    for (device, metric), readings in stored.items():
        for time_ns, value in readings if device in DEVICES else ():
            number = number_of(value)
            message = sent[number] if 0 <= number < len(sent) else None
            if (
                message is None
                or message.is_bad
                or (message.device, message.value) != (device, value)
                or metric != "m"
            ):
                unexpected.append(f"{device} {value}")
            elif message.time_ms and not 0 <= time_ns - message.time_ms * 10**6 < MOST_SHIFTED_NS:
                unexpected.append(f"{device} {value} at {time_ns}")
            found[number] += 1
    for letter in letters:
        word, _, digits = letter.payload.partition(b" ")
        number = int(digits) if word == b"bad" and digits.isdigit() else -1
        if not 0 <= number < len(sent) or not sent[number].is_bad:
            unexpected.append(f"dead letter {letter.topic} {letter.payload[:40]!r} ({letter.reason})")
        else:
            found[number] += 1
    # Whatever ingest has acknowledged is stored. What the broker has confirmed to its publisher is, unless it lost it itself.
    lost = sorted((witness.acknowledged - found.keys()) | (confirmed - found.keys() - explained))
    doubled = []
    for number, count in found.items():
        # With a time of its own it is one reading however often it comes; without, each of the broker's messages is one.
        is_timed = 0 <= number < len(sent) and sent[number].time_ms and not sent[number].is_bad
        if count > (1 if is_timed else max(1, witness.handed_over[number])):
            doubled.append(number)
    return Account(
        "publisher",
        len(sent),
        len(confirmed),
        found.total(),
        len(lost),
        len(doubled),
        len(unexpected),
        len(found.keys() - confirmed),
        len(explained - found.keys()),
        tuple(_named("publisher", lost=lost, duplicated=doubled, unexpected=unexpected)),
    )


def strangers(stored: Stored, devices: set[str]) -> list[str]:
    """Return what is stored of devices that nobody sent for."""
    return [f"unexpected series {device} {metric}" for device, metric in stored if device not in devices]


def _named(source: str, **sets: list[object]) -> Iterator[str]:
    for what, numbers in sets.items():
        if numbers:
            yield f"{source}: {len(numbers)} {what}, such as {numbers[:10]}"
