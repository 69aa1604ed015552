"""What every store promises. `tests/contract` holds the suite that each one must pass.

A writer belongs to one ingest process, a reader to any number of others; they meet only in the database.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch, Committed, DeadLetter, DeviceFacts, Receipt, Series, Settled

RECEIPTS_KEPT = 32_768
"""More than any in-flight window that we configure, and half of the 65,535 packet identifiers: within a session, brokers
that count them up (as Mosquitto does) come back to an identifier only after its receipt is gone."""


class Columns(msgspec.Struct, gc=False):
    """Buckets of one series in order of time. `bucket_ns` 0 says that each is a single reading (n is 1).

    `start_ns` holds the buckets' starts. A bucket without readings is absent: that is a gap. The lists have one length.
    `last_ns` is the time of the series' newest reading, in or after the range, at the moment of the answer: a live
    reading up to then is in a bucket already, a later one is not.
    """

    bucket_ns: int
    start_ns: list[int]
    min: list[float]
    mean: list[float]
    max: list[float]
    n: list[int]
    last_ns: int | None = None


class SeriesInfo(msgspec.Struct, frozen=True, gc=False):
    """A series, its newest reading, and what is known of how to show it."""

    series: Series
    unit: str | None
    name: str | None
    time_ns: int
    value: float


class DeviceInfo(msgspec.Struct, frozen=True, gc=False):
    """A device and the time of its newest reading, or None while it has none."""

    facts: DeviceFacts
    last_seen_ns: int | None


class WriterState(msgspec.Struct, frozen=True, gc=False):
    """What a writer would like to tell people: readings, dead letters, rollup windows still to do, readings still undecided."""

    readings: int
    dead_letters: int
    dirty_windows: int
    undecided: int = 0


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """What is durable here and not yet in the database beyond, for as long as it is slow or away.

    `oldest_s` is how long the oldest of these readings has waited, in seconds. `fullness` is how much of the room for
    them is taken, 0 … 1. `problem` says what is wrong, and since how many seconds (`away_s`); empty while nothing is.
    """

    readings: int = 0
    oldest_s: float = 0.0
    bytes: int = 0
    fullness: float = 0.0
    problem: str = ""
    away_s: float = 0.0


class Immediate:
    """The part of a writer that differs only for a store that is elsewhere: this one knows and has all at once."""

    def settled(self) -> Settled:
        """Return nothing: no commit leaves anything undecided."""
        return Settled()

    def backlog(self) -> Backlog:
        """Return nothing: what was committed is there."""
        return Backlog()

    def kept(self) -> dict[str, int]:
        """Return how many readings of each device the last commit with notes stored: after `recall`. Empty where that is unknown."""
        return {}


class StoreWriter(Protocol):
    """Makes batches durable. Used by one thread of one process."""

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable, as a whole: after it returns, a kill of anything loses nothing.

        A series' time is its key: the same value at the same time again is `repeated` and changes nothing; a
        different value is kept one or more nanoseconds later. Raises StoreUnavailable when nothing of it was stored;
        the same batch may be given again at any time.
        """
        ...

    def repeats(self) -> Mapping[str, int]:
        """Return device → how many of the last commit's readings were repeated; empty where the store cannot tell."""
        ...

    def settled(self) -> Settled:
        """Return what has been decided, since the last call, about readings that commits left undecided."""
        ...

    def backlog(self) -> Backlog:
        """Return what still waits to be delivered; cheap enough to ask often."""
        ...

    def receipts(self) -> Sequence[Receipt]:
        """Return the newest receipts (at most 32,768), oldest first: what a broker may send again after a restart."""
        ...

    def series(self) -> Collection[Series]:
        """Return every series that has ever had a reading."""
        ...

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Register who gives tracking's whole state as of the last commit; before the first commit with notes.

        It is called in `maintain` and `close` only, by the thread that called those, and never after a commit that failed
        until one has succeeded. What it gives takes the place of the notes of all commits before.
        """
        ...

    def recall(self) -> tuple[bytes, list[bytes]]:
        """Return the last snapshot, empty if there is none, and the notes of every commit after it, in order: at a start.

        Together they are exact, whenever the process before was killed. Raises StoreUnavailable.
        """
        ...

    def accounts(self) -> list[Account]:
        """Return every device's account as it was committed last, ordered by device. Raises StoreUnavailable."""
        ...

    def open_events(self) -> list[Event]:
        """Return the committed events that go on, oldest first. Raises StoreUnavailable."""
        ...

    def maintain(self, now_ns: int) -> bool:
        """Do one short step of upkeep (rollups, retention); True if there is more to do at once."""
        ...

    @property
    def waiting_windows(self) -> int:
        """How many rollup windows are to be recomputed, about: cheap enough to ask after each commit."""
        ...

    def state(self) -> WriterState:
        """Return counts for people; what `settled` has not returned yet is still undecided in them. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """Close in order; what was committed is durable without it."""
        ...


class StoreReader(Protocol):
    """Answers questions while a writer in another process goes on. Not for use by two threads at once."""

    def query(self, series: Series, start_ns: int, end_ns: int, max_points: int) -> Columns:
        """Return at most `max_points` buckets of start_ns ≤ time < end_ns: single readings when they fit.

        Buckets are aligned to multiples of their width since 1970 and hold their whole window, so the first and the
        last may reach over the range's ends. Any range costs about the same. An unknown series has no buckets. Raises QueryError for an empty range or max_points outside 1 … 10,000.
        """
        ...

    def latest(self) -> list[SeriesInfo]:
        """Return every series with its newest reading, ordered by device and metric."""
        ...

    def devices(self) -> list[DeviceInfo]:
        """Return every device that has readings or facts, ordered by name."""
        ...

    def events(
        self,
        start_ns: int,
        end_ns: int,
        device: str | None = None,
        limit: int = 1000,
        kind: EventKind | None = None,
    ) -> list[Event]:
        """Return the newest `limit` events that touch start_ns ≤ time < end_ns, newest start first.

        With `device`, its own and those that concern all devices. Ended ones are kept as long as single readings, the newest 1,000 of a device and 100,000 of all.
        """
        ...

    def accounts(self) -> list[Account]:
        """Return every device's account, ordered by device."""
        ...

    def export(self, series: Series, start_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield every reading (time_ns, value) of start_ns ≤ time < end_ns in order, in bounded memory."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


class DeadLetters(Protocol):
    """The rejected messages that a store keeps."""

    def list(self, limit: int, before_id: int | None = None) -> list[DeadLetter]:
        """Return the newest dead letters, newest first; with `before_id` the ones older than that."""
        ...

    def get(self, dead_letter_id: int) -> DeadLetter | None:
        """Return one dead letter whole, or None."""
        ...

    def drop(self, dead_letter_ids: Sequence[int] | None) -> int:
        """Delete the given dead letters, or all with None; return how many there were."""
        ...
