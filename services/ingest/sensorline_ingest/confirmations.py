"""Which sequence numbers a batch made durable: those of its readings, and those of its dead letters.

A dead letter is durable too, and sending it again would only make another one.
"""

from collections.abc import Iterator

import msgspec

from sensorline import topics
from sensorline.reading import Batch, DeadLetter

Ranges = dict[str, list[tuple[int, int]]]


def durable_seqs(batch: Batch) -> Ranges:
    """Return for each device its durable sequence numbers as ascending ranges, ends included."""
    if not batch.dead_letters:
        runs = batch.seq_runs
        return {
            device: [runs[device]] if device in runs else _ranges(numbers)
            for device, numbers in batch.seqs.items()
        }
    seqs = {device: list(numbers) for device, numbers in batch.seqs.items()}
    for dead_letter in batch.dead_letters:
        for device, seq in seqs_of(dead_letter):
            seqs.setdefault(device, []).append(seq)
    return {device: _ranges(numbers) for device, numbers in seqs.items()}


def seqs_of(dead_letter: DeadLetter) -> Iterator[tuple[str, int]]:
    """Yield device and sequence number of each item of a rejected native message, as far as they can be read."""
    levels = dead_letter.topic.split("/")
    if levels[0] != topics.SENSORS or len(levels) < 2:
        return
    try:
        value = msgspec.json.decode(dead_letter.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        seq = item.get("seq")
        # With `value` it is a metric's reading, without it the object of a device, as for the decoder.
        device = "/".join(levels[1:-1] if "value" in item and len(levels) > 2 else levels[1:])
        if type(seq) is int and 0 <= seq <= 2**53:
            yield device, seq


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers) and numbers == [*range(first, last + 1)]:
        # As a device numbers them, and so nearly always.
        return [(first, last)]
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
