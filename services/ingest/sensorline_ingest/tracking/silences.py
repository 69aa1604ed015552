"""Devices that ought to have spoken: silent for more than three expected intervals."""

from typing import Final

import msgspec

from sensorline.events import Event, EventKind

INTERVALS: Final = 3
LEAST_NS: Final = 5 * 10**9
"""Sooner nobody is called silent: messages of fast devices may be gathered, or wait for the network, as long."""


class Silences:
    """The silences that go on."""

    def __init__(self, open_events: list[Event]) -> None:
        self._open = {event.device: event for event in open_events if event.kind is EventKind.SILENT}

    def heard(self, device: str, received_ns: int) -> Event | None:
        """Readings of a device came; return the end of its silence, if it was silent."""
        event = self._open.pop(device, None) if self._open else None
        if event is None:
            return None
        seconds = (received_ns - event.start_ns) / 1e9
        return msgspec.structs.replace(
            event, end_ns=max(received_ns, event.start_ns), detail=f"It was silent for {seconds:,.0f} s."
        )

    def judge(
        self, device: str, interval_s: float | None, heard_ns: int, listening_ns: int, now_ns: int
    ) -> Event | None:
        """Return the begin of a device's silence if it is silent now; we have listened since `listening_ns`."""
        if interval_s is None or not heard_ns or device in self._open:
            return None
        allowed_ns = max(int(INTERVALS * interval_s * 1e9), LEAST_NS)
        if now_ns - max(heard_ns, listening_ns) <= allowed_ns:
            return None
        detail = f"No reading since then, although one is expected every {interval_s:g} s."
        event = Event(
            f"silent/{device}/{heard_ns // 10**6}", EventKind.SILENT, device, heard_ns, None, detail=detail
        )
        self._open[device] = event
        return event
