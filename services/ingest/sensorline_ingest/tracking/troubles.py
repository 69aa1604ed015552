"""What concerns all devices: the broker forgot ingest's session, or readings could not be committed or delivered."""

from typing import Final

import msgspec

from sensorline.events import Event, EventKind

LONG_NS: Final = 30 * 10**9
"""A store that is away for less is nothing to tell of."""


class Troubles:
    """The store's trouble, if it goes on, and what is to be told of the session."""

    def __init__(self, open_events: list[Event]) -> None:
        self._open = next((event for event in open_events if event.kind is EventKind.STORE), None)
        self._since_ns: int | None = None
        self._detail = ""
        self._due: list[Event] = []

    def session_lost(self, last_commit_ns: int, now_ns: int) -> None:
        """The broker began a new session where it had one of ours: what waited in it is gone."""
        start_ns = min(last_commit_ns, now_ns)
        self._due.append(
            Event(
                f"session/{start_ns // 10**6}",
                EventKind.SESSION_LOST,
                "",
                start_ns,
                now_ns,
                detail="The broker no longer knew ingest's session: what it held for ingest in this time is lost,"
                " unless the devices send it again.",
            )
        )

    def store_away(self, since_ns: int, now_ns: int, detail: str) -> None:
        """The store has not taken readings since then."""
        if self._since_ns is None:
            self._since_ns = since_ns
        self._detail = detail
        if self._open is None and now_ns - self._since_ns > LONG_NS:
            self._open = Event(
                f"store/{self._since_ns // 10**6}", EventKind.STORE, "", self._since_ns, None, detail=detail
            )
            self._due.append(self._open)

    def store_back(self, now_ns: int) -> None:
        """The store takes readings."""
        self._since_ns = None
        if self._open is not None:
            end_ns = max(now_ns, self._open.start_ns)
            self._due.append(msgspec.structs.replace(self._open, end_ns=end_ns))
            self._open = None

    @property
    def has_due(self) -> bool:
        """Whether there is something to be stored."""
        return bool(self._due)

    def due(self) -> list[Event]:
        """Return the events to be stored now."""
        events, self._due = self._due, []
        return events
