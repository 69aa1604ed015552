"""Which sequence numbers a batch made durable: those of its readings, and those of its dead letters.

A dead letter is durable too, and sending it again would only make another one.
"""

import msgspec

from sensorline import topics
from sensorline.reading import Batch, DeadLetter

Ranges = dict[str, list[tuple[int, int]]]


def durable_seqs(batch: Batch) -> Ranges:
    """Return for each device its durable sequence numbers as ascending ranges, ends included."""
    seqs: dict[str, set[int]] = {}
    for reading in batch.readings:
        if reading.seq is not None:
            seqs.setdefault(reading.series.device, set()).add(reading.seq)
    for dead_letter in batch.dead_letters:
        device, found = _seqs_of(dead_letter)
        if found:
            seqs.setdefault(device, set()).update(found)
    return {device: _ranges(numbers) for device, numbers in seqs.items()}


def _seqs_of(dead_letter: DeadLetter) -> tuple[str, set[int]]:
    """Return the device and the sequence numbers of a rejected native message, as far as it can be read."""
    levels = dead_letter.topic.split("/")
    if levels[0] != topics.SENSORS or len(levels) < 2:
        return "", set()
    try:
        value = msgspec.json.decode(dead_letter.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "", set()
    items = value if isinstance(value, list) else [value]
    numbers = [item.get("seq") for item in items if isinstance(item, dict)]
    device = "/".join(levels[1:-1] if len(levels) > 2 else levels[1:])
    return device, {n for n in numbers if type(n) is int and 0 <= n <= 2**53}


def _ranges(numbers: set[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
