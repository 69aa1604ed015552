"""Rejected messages: whose they are, why they were rejected, and which devices' clocks that tells of."""

from collections.abc import Container

from sensorline import topics
from sensorline.decoders.times import IN_FUTURE, seconds_ahead
from sensorline.reading import Batch
from sensorline_ingest.tracking.observing import Observed


def add_rejects(batch: Batch, found: dict[str, Observed], known: Container[str]) -> dict[str, int]:
    """Count rejected messages for devices that we know; names that only ever came with rejects have no book.

    Return known device → seconds that its times are ahead, for devices of which nothing else came.
    """
    ahead: dict[str, int] = {}
    for letter in batch.dead_letters:
        device = next((d for d in _devices_of(letter.topic) if d in known or d in found), None)
        if device is None:
            continue
        observed = found.setdefault(device, Observed(device))
        observed.rejected += 1
        observed.reasons[letter.reason] = observed.reasons.get(letter.reason, 0) + 1
        if letter.reason == IN_FUTURE and device in known and not observed.readings:
            ahead_s = seconds_ahead(letter.detail)
            if ahead_s is not None:
                ahead[device] = ahead_s
    for device in [d for d, observed in found.items() if not observed.readings and d not in known]:
        del found[device]
    return ahead


def _devices_of(topic: str) -> tuple[str, ...]:
    """Return which devices a native topic may be about, the likelier first."""
    levels = topic.split("/")
    if levels[0] != topics.SENSORS or len(levels) < 2:
        return ()
    if len(levels) == 2:
        return (levels[1],)
    return "/".join(levels[1:-1]), "/".join(levels[1:])
