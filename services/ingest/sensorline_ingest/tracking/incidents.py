"""Holes that lie close together are one incident: one event, which shrinks as late readings come and is withdrawn in the end."""

from collections.abc import Iterable
from typing import Final

import msgspec

from sensorline.events import MAX_RANGES, Event, EventKind
from sensorline_ingest.tracking.runs import Hole

GRACE_NS: Final = 5 * 10**9
"""A hole is told of only after this time: readings that overtake each other make no noise."""
UPDATE_NS: Final = 2 * 10**9
"""An event that shrinks is told of again at most this often."""
JOIN_NS: Final = 60 * 10**9
"""A hole that begins so soon after an incident's last one belongs to it."""


class Incident(msgspec.Struct, array_like=True, gc=False):
    """`id` is the time of its first hole in ms, made unique within the device. `end_ns` is the end of its last hole.

    `lost` of its numbers are only counted (their holes were too many to keep). `told` is the count in the event that was
    stored last, -1 while there is none; `told_ns` is when.
    """

    id: int
    start_ns: int
    end_ns: int
    holes: int = 0
    lost: int = 0
    told: int = -1
    told_ns: int = 0


def due_event(device: str, incident: Incident, holes: Iterable[Hole], now_ns: int) -> Event | None:
    """Return the event that is to be stored now, and note that it is; None while there is nothing to tell, or not yet.

    `holes` are the incident's own. Nothing changes when it returns None.
    """
    ripe = [hole for hole in holes if hole.found_ns + GRACE_NS <= now_ns]
    count = incident.lost + sum(map(len, ripe))
    if count == max(incident.told, 0):
        return None
    if incident.told >= 0 and count and now_ns - incident.told_ns < UPDATE_NS:
        return None
    incident.told, incident.told_ns = count, now_ns
    start_ns = min((hole.before_ns for hole in ripe), default=incident.start_ns)
    end_ns = max((hole.after_ns for hole in ripe), default=incident.end_ns)
    if incident.lost:
        start_ns, end_ns = min(start_ns, incident.start_ns), max(end_ns, incident.end_ns)
    # A device whose clock went back meanwhile has its holes the other way round.
    start_ns, end_ns = min(start_ns, end_ns), max(start_ns, end_ns)
    ranges = [(hole.first, hole.last) for hole in ripe[:MAX_RANGES]]
    return Event(
        f"missing/{device}/{incident.id}",
        EventKind.MISSING,
        device,
        start_ns,
        end_ns,
        count,
        ranges,
        _sentence(count),
    )


def _sentence(count: int) -> str:
    if not count:
        return "All readings that seemed to be missing have come."
    return (
        "1 reading has not come: its number is missing."
        if count == 1
        else f"{count:,} readings have not come: their numbers are missing."
    )
