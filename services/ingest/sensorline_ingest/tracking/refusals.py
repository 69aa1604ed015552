"""Nodes whose outbox is full: they refuse new readings, and say how many on `sensors/<device>/$health`."""

import msgspec

from sensorline.events import Event, EventKind
from sensorline.reading import Health


class Refusals:
    """The refusals that go on."""

    def __init__(self, open_events: list[Event]) -> None:
        self._open = {event.device: event for event in open_events if event.kind is EventKind.REFUSED}
        self._told_ns: dict[str, int] = {}

    def note(self, device: str, health: Health, more: int, now_ns: int) -> Event | None:
        """A node said how it is, and that it has refused so many more than before; return the event that this changes."""
        told_ns = self._told_ns.get(device, now_ns)
        self._told_ns[device] = now_ns
        event = self._open.get(device)
        if more:
            begun = event or Event(
                f"refused/{device}/{told_ns // 10**6}", EventKind.REFUSED, device, told_ns, None
            )
            count = begun.count + more
            why = f": {health.problem}" if health.problem else ""
            event = msgspec.structs.replace(
                begun, count=count, detail=f"The node has refused {count:,} readings{why}."
            )
            self._open[device] = event
            return event
        if event is None or health.problem:
            return None
        del self._open[device]
        return msgspec.structs.replace(event, end_ns=max(now_ns, event.start_ns))
