"""Devices' clocks: received time less own time, the smallest of the last minutes, and what it says."""

from typing import Final

import msgspec

from sensorline.events import Event, EventKind

WINDOW_NS: Final = 150 * 10**9
"""A clock is behind when nothing came sooner for so long: it is longer than most backlogs take."""
GOOD_NS: Final = 5 * 10**9
"""Readings that are rejected so soon after a good one are single mistakes, not the device's clock."""
WRONG_MS: Final = 5_000
MIN_NS: Final = 10**6


class _Clock(msgspec.Struct, gc=False):
    """The smallest difference of this window and of the one before it."""

    since_ns: int
    least_ms: int
    before_ms: int | None = None

    @property
    def skew_ms(self) -> int:
        return self.least_ms if self.before_ms is None else min(self.least_ms, self.before_ms)


class Clocks:
    """Every device's clock since the start, and the events that go on."""

    def __init__(self, open_events: list[Event]) -> None:
        self._clocks: dict[str, _Clock] = {}
        self._open = {event.device: event for event in open_events if event.kind is EventKind.CLOCK}
        self._rejected_ns: dict[str, int] = {}
        self._due: list[Event] = []

    def skew_ms(self, device: str) -> int | None:
        """Return a device's skew in ms; None while nothing is known. Below 0 its clock is ahead."""
        clock = self._clocks.get(device)
        return None if clock is None else clock.skew_ms

    def rejected_ns(self, device: str) -> int:
        """Return when a device last spoke with a time so far ahead that it was rejected; 0 unless that goes on."""
        return self._rejected_ns.get(device, 0)

    def begin(self) -> None:
        """A connection began: what comes first may have waited."""
        self._clocks.clear()

    def note(self, device: str, newest_ns: int, first_ns: int, last_ns: int) -> None:
        """A device's newest reading has this time, and was received between the other two."""
        if newest_ns < first_ns:
            skew_ms = (first_ns - newest_ns) // MIN_NS
        else:
            skew_ms = (last_ns - newest_ns) // MIN_NS if newest_ns > last_ns else 0
        if self._rejected_ns:
            self._rejected_ns.pop(device, None)
        clock = self._clocks.get(device)
        if clock is None:
            clock = self._clocks[device] = _Clock(last_ns, skew_ms)
        elif last_ns - clock.since_ns >= WINDOW_NS:
            if clock.least_ms > WRONG_MS:
                # For a whole window nothing came sooner; before its end it may have been a backlog only.
                self._wrong(device, clock.least_ms, newest_ns)
            clock.before_ms, clock.least_ms, clock.since_ns = clock.least_ms, skew_ms, last_ns
        elif skew_ms < clock.least_ms:
            clock.least_ms = skew_ms
        if skew_ms < -WRONG_MS:
            self._wrong(device, skew_ms, newest_ns)
        elif skew_ms <= WRONG_MS and device in self._open:
            event = self._open.pop(device)
            self._due.append(msgspec.structs.replace(event, end_ns=max(newest_ns, event.start_ns)))

    def reject(self, device: str, ahead_s: int, heard_ns: int, now_ns: int) -> None:
        """A device's readings are rejected because their time is so far ahead; its last good ones came at `heard_ns`."""
        if abs(now_ns - heard_ns) < GOOD_NS:
            return
        is_first = device not in self._rejected_ns
        self._rejected_ns[device] = now_ns
        if not is_first:
            return
        # A smaller error may have been told of before, by the same event.
        event = self._open.get(device) or Event(
            f"clock/{device}/{now_ns // MIN_NS}", EventKind.CLOCK, device, now_ns, None
        )
        detail = f"Its clock is {ahead_s:,} s ahead: its readings are rejected."
        self._open[device] = msgspec.structs.replace(event, detail=detail)
        self._due.append(self._open[device])

    def _wrong(self, device: str, skew_ms: int, newest_ns: int) -> None:
        if device in self._open:
            return
        seconds = abs(skew_ms) / 1000
        detail = (
            f"Its readings are {seconds:,.0f} s old when they come, all of them: its clock is behind, or something holds them up."
            if skew_ms > 0
            else f"Its clock is {seconds:,.0f} s ahead."
        )
        event = Event(
            f"clock/{device}/{newest_ns // MIN_NS}", EventKind.CLOCK, device, newest_ns, None, detail=detail
        )
        self._open[device] = event
        self._due.append(event)

    def due(self) -> list[Event]:
        """Return the events to be stored now."""
        events, self._due = self._due, []
        return events
