"""What went wrong on the way of readings, as values: events with a time span, and each device's account. No I/O, no clock."""

from enum import StrEnum
from typing import Final, Self

import msgspec

MAX_RANGES: Final = 100
"""So many ranges of numbers an event names at most; its `count` is exact all the same."""


class EventKind(StrEnum):
    """What happened.

    `missing`: numbers that a device gave never came, so far. `silent`: no reading for more than three expected intervals.
    `session_lost`: the broker did not know ingest's session any more; what waited there is gone. `refused`: a node's
    outbox was full, and it took no new readings. `clock`: a device's clock was wrong by more than 5 s, or jumped.
    `store`: readings could not be committed or delivered for a while. The others are spells, which end with a quiet
    minute: readings came `late`, `out_of_order` or again (`duplicates`), or messages were `rejected`.
    """

    MISSING = "missing"
    SILENT = "silent"
    SESSION_LOST = "session_lost"
    REFUSED = "refused"
    CLOCK = "clock"
    STORE = "store"
    LATE = "late"
    OUT_OF_ORDER = "out_of_order"
    DUPLICATES = "duplicates"
    REJECTED = "rejected"


class Event(msgspec.Struct, frozen=True, gc=False):
    """A span of time in which something went wrong on the way of readings: what, and how many.

    An event replaces the one that has its `id`: it goes on, it ends, its `count` shrinks when late readings come. `device`
    is empty where it concerns all. `start_ns` is the last instant before, for example the time of the reading before a
    hole; `end_ns` is None while it goes on. `count` readings are concerned, 0 where nobody can know.
    `ranges` are device's own numbers, both ends included, at most 100. `detail` is a sentence for people.
    """

    id: str
    kind: EventKind
    device: str
    start_ns: int
    end_ns: int | None
    count: int = 0
    ranges: list[tuple[int, int]] = []
    detail: str = ""

    @property
    def is_withdrawn(self) -> bool:
        """Whether it turned out that nothing is missing (it ended, and nothing was counted): then it is deleted.

        Only holes shrink to nothing; an event of any other kind that ended happened, whatever its count.
        """
        return self.kind is EventKind.MISSING and self.end_ns is not None and self.count == 0


class EventMessage(msgspec.Struct, frozen=True, gc=False):
    """An event as the API, browsers and `sensorline/events/<device>` have it: in JSON, with times in epoch milliseconds."""

    id: str
    kind: str
    device: str
    start: int | float
    end: int | float | None
    count: int
    ranges: list[tuple[int, int]]
    detail: str

    @classmethod
    def of(cls, event: Event) -> Self:
        """Return an event's public form."""
        end = None if event.end_ns is None else _to_ms(event.end_ns)
        return cls(
            event.id,
            event.kind,
            event.device,
            _to_ms(event.start_ns),
            end,
            event.count,
            event.ranges,
            event.detail,
        )


def _to_ms(time_ns: int) -> int | float:
    whole, rest = divmod(time_ns, 10**6)
    return time_ns / 10**6 if rest else whole


class Account(msgspec.Struct, frozen=True, gc=False):
    """What has become of one device's readings since the store was made.

    `received` readings were in its messages (a rejected message counts 1) = `stored` + `rejected` + `duplicates`.
    `missing` numbers have not come, now. `late` ones were older than 10 s, or than three intervals if that is longer, when
    they came. `refused` ones its node did not take, as it says. `interval_s` is the expected one, in seconds.
    `skew_ms` is received time − own time, the least of the last minutes. `updated_ns` is when this was so.
    """

    device: str
    received: int = 0
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0
    missing: int = 0
    late: int = 0
    out_of_order: int = 0
    refused: int = 0
    interval_s: float | None = None
    skew_ms: int | None = None
    updated_ns: int = 0
