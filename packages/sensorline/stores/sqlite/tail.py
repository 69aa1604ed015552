"""A reader's copy of what the journal holds unsealed: only new entries are read at each question."""

import sqlite3
from array import array
from bisect import bisect_left
from typing import NamedTuple

import structlog

from sensorline.reading import Series
from sensorline.stores.journal import Cursor, decode
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.blocks import Column
from sensorline.stores.sqlite.marks import Marks

log = structlog.get_logger()


class Sealed(NamedTuple):
    """What the database says of a series: its newest sealed reading, and how far it is sealed."""

    series: Series
    latest_ns: int
    latest_value: float
    entry: int
    before_ns: int


class _Unsealed:
    """One series' readings in order of arrival, each with the number of its entry."""

    __slots__ = ("entries", "times_ns", "values")

    def __init__(self) -> None:
        self.entries = array("q")
        self.times_ns = array("q")
        self.values = array("d")

    def drop(self, sealed: Sealed) -> None:
        """Forget what is sealed."""
        keep = [
            i
            for i, (entry, time_ns) in enumerate(zip(self.entries, self.times_ns, strict=True))
            if entry > sealed.entry or time_ns >= sealed.before_ns
        ]
        if len(keep) < len(self.entries):
            self.entries = array("q", [self.entries[i] for i in keep])
            self.times_ns = array("q", [self.times_ns[i] for i in keep])
            self.values = array("d", [self.values[i] for i in keep])


class Tail:
    """What is not in blocks yet. `refresh` it first in each transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.marks = Marks(changes=-1)
        self.sealed: dict[int, Sealed] = {}
        self.ids: dict[Series, int] = {}
        self._cursor: Cursor | None = None
        self._unsealed: dict[int, _Unsealed] = {}
        self._newest: dict[int, tuple[int, float]] = {}

    def refresh(self) -> None:
        """Bring everything up to the transaction's moment."""
        marks = marks_.load(self._db)
        if marks.changes != self.marks.changes:
            self._load_series(marks)
        if self._cursor is None:
            self._cursor = Cursor(self._db, marks.sealed_to)
        missing = len(self._cursor.missing)
        for number, body in self._cursor.read():
            self._add(number, body)
        if len(self._cursor.missing) > missing and self._cursor.missing[-1][1] > marks.sealed_to:
            log.error("journal_damaged", entries=self._cursor.missing[missing:])

    def _load_series(self, marks: Marks) -> None:
        before = self.sealed
        self.marks = marks
        self.sealed = {}
        for series_id, device, metric, latest_ns, value, entry, before_ns in self._db.execute(
            "SELECT id, device, metric, latest_ns, latest_value, sealed_entry, sealed_ns FROM series"
        ):
            self.sealed[series_id] = Sealed(Series(device, metric), latest_ns, value, entry, before_ns)
        self.ids = {sealed.series: series_id for series_id, sealed in self.sealed.items()}
        for series_id, unsealed in list(self._unsealed.items()):
            sealed = self.sealed[series_id]
            if sealed != before.get(series_id):
                unsealed.drop(sealed)
                if not unsealed.entries:
                    del self._unsealed[series_id]

    def _add(self, number: int, body: bytes) -> None:
        entry = decode(body)
        for series_id, first, behind in entry.groups():
            sealed = self.sealed.get(series_id)
            if sealed is None:
                # A series that came with this entry: nothing else says that there is one.
                self._load_series(self.marks)
                sealed = self.sealed[series_id]
            last_ns = entry.times_ns[behind - 1]
            if last_ns > self._newest.get(series_id, (-1, 0.0))[0]:
                self._newest[series_id] = (last_ns, entry.values[behind - 1])
            if number <= sealed.entry:
                first = max(first, bisect_left(entry.times_ns, sealed.before_ns, first, behind))
                if first == behind:
                    continue
            unsealed = self._unsealed.get(series_id)
            if unsealed is None:
                unsealed = self._unsealed[series_id] = _Unsealed()
            unsealed.entries.extend((number,) * (behind - first))
            unsealed.times_ns += entry.times_ns[first:behind]
            unsealed.values += entry.values[first:behind]

    def latest(self, series_id: int) -> tuple[int, float]:
        """Return the time and the value of a series' newest reading; the time is -1 while it has none."""
        sealed = self.sealed[series_id]
        newest = self._newest.get(series_id, (-1, 0.0))
        return newest if newest[0] > sealed.latest_ns else (sealed.latest_ns, sealed.latest_value)

    def readings(self, series_id: int, start_ns: int, end_ns: int) -> Column:
        """Return a series' unsealed readings of start_ns ≤ time < end_ns, in order of time."""
        unsealed = self._unsealed.get(series_id)
        if unsealed is None:
            return array("q"), array("d")
        times_ns, values = unsealed.times_ns, unsealed.values
        pairs = sorted(zip(times_ns, values, strict=True))
        first, behind = bisect_left(pairs, (start_ns,)), bisect_left(pairs, (end_ns,))
        return (
            array("q", [time_ns for time_ns, _ in pairs[first:behind]]),
            array("d", [value for _, value in pairs[first:behind]]),
        )
