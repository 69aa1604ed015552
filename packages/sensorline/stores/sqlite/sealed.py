"""Sealed readings: put where they belong, with their rollups; and what is at an instant."""

import sqlite3
from array import array
from bisect import bisect_left

from sensorline.stores.sqlite.blocks import NO_DECIMALS, Column, cut, unpack
from sensorline.stores.sqlite.layout import (
    DAY_NS,
    DAYS,
    HOUR_NS,
    MINUTE_NS,
    WINDOWS,
    Kept,
    Level,
    add_summary,
)
from sensorline.stores.sqlite.marks import Marks
from sensorline.stores.sqlite.rollups import fold, of_readings

_BLOCKS_REMEMBERED = 32
_SPANS_REMEMBERED = 4_096


def add(db: sqlite3.Connection, marks: Marks, series_id: int, column: Column) -> int:
    """Store readings of a series, in order of time and at free instants; return how many spans they are of.

    Inside the caller's transaction, which also has to note that they are sealed: adding them twice would count them twice.
    """
    times_ns, values = column
    first = spans = 0
    while first < len(values):
        time_ns = times_ns[first]
        level = DAYS if marks.is_joined(time_ns // DAY_NS, series_id) else WINDOWS
        span = time_ns // level.span_ns
        behind = bisect_left(times_ns, (span + 1) * level.span_ns, first)
        add_to_span(db, marks, level, span, series_id, (times_ns[first:behind], values[first:behind]))
        first = behind
        spans += 1
    return spans


def add_to_span(
    db: sqlite3.Connection, marks: Marks, level: Level, span: int, series_id: int, column: Column
) -> None:
    """Store readings of one window or day; of what retention has deleted already, only the rollups."""
    decimals = NO_DECIMALS
    kept = column if column[0][0] >= marks.raw_from_ns else cut(column, marks.raw_from_ns, 2**63 - 1)
    if kept[0]:
        decimals = level.add(db, span, series_id, kept)
    minutes = of_readings(column, MINUTE_NS, decimals)
    if level is WINDOWS:
        level.add_minutes(db, span, series_id, minutes)
        return
    hours = fold([minutes], HOUR_NS // MINUTE_NS).cut(marks.hours_from_ns // HOUR_NS, 1 << 62)
    minutes = minutes.cut(marks.minutes_from_ns // MINUTE_NS, 1 << 62)
    if minutes.window:
        level.add_minutes(db, span, series_id, minutes)
    if hours.window:
        add_summary(db, series_id, span, hours)


class SealedLookup:
    """What is at an instant of a series among sealed readings. Forget what it remembers whenever blocks change."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._spans: dict[tuple[str, int, int], list[Kept]] = {}
        self._columns: dict[tuple[str, int], Column] = {}

    def forget(self) -> None:
        """Read everything anew from now on."""
        self._spans.clear()
        self._columns.clear()

    def value_at(self, marks: Marks, series_id: int, time_ns: int) -> float | None:
        """Return the value at an instant, or None."""
        levels = (DAYS,) if marks.is_joined(time_ns // DAY_NS, series_id) else (DAYS, WINDOWS)
        for level in levels:
            for kept in self._kept(level, time_ns // level.span_ns, series_id):
                if kept.first_ns <= time_ns <= kept.last_ns:
                    times_ns, values = self._column(level, kept.id)
                    i = bisect_left(times_ns, time_ns)
                    if i < len(times_ns) and times_ns[i] == time_ns:
                        return values[i]
        return None

    def _kept(self, level: Level, span: int, series_id: int) -> list[Kept]:
        key = (level.table, span, series_id)
        found = self._spans.get(key)
        if found is None:
            if len(self._spans) >= _SPANS_REMEMBERED:
                self._spans.clear()
            found = self._spans[key] = level.kept(self._db, span, series_id)
        return found

    def _column(self, level: Level, block_id: int) -> tuple["array[int]", "array[float]"]:
        key = (level.table, block_id)
        found = self._columns.pop(key, None)
        if found is None:
            found = unpack(level.body(self._db, block_id))
            if len(self._columns) >= _BLOCKS_REMEMBERED:
                del self._columns[next(iter(self._columns))]
        self._columns[key] = found
        return found
