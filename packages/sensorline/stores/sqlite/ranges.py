"""What one series has in a range of time: single readings and rollups, of blocks and of what is not sealed yet."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sensorline.stores.sqlite.blocks import Column, cut, merge, unpack
from sensorline.stores.sqlite.joining import windows_between
from sensorline.stores.sqlite.layout import (
    DAY_NS,
    DAYS,
    HOUR_NS,
    MINUTE_NS,
    MINUTES_PER_DAY,
    WINDOW_NS,
    WINDOWS,
    Kept,
    Level,
    day_of_summary,
    summary_key,
)
from sensorline.stores.sqlite.rollups import Rollups, fold, of_readings
from sensorline.stores.sqlite.rollups import unpack as unpack_rollups
from sensorline.stores.sqlite.tail import Tail

_MINUTES_PER_WINDOW = WINDOW_NS // MINUTE_NS


class Place(NamedTuple):
    """A block, and the level it is at."""

    level: Level
    kept: Kept


class SeriesRange:
    """One series, inside the transaction of one question."""

    def __init__(self, db: sqlite3.Connection, tail: Tail, series_id: int) -> None:
        self._db = db
        self._tail = tail
        self._marks = tail.marks
        self._id = series_id

    def _days(self, start_ns: int, end_ns: int) -> list[int]:
        rows = self._db.execute(
            "SELECT id FROM day_summary WHERE id >= ? AND id <= ?",
            (summary_key(self._id, start_ns // DAY_NS), summary_key(self._id, (end_ns - 1) // DAY_NS)),
        )
        return [day_of_summary(key) for (key,) in rows]

    def _windows(self, start_ns: int, end_ns: int) -> list[int]:
        first = max(start_ns // WINDOW_NS, self._marks.first_window(self._id))
        return windows_between(self._db, first, (end_ns - 1) // WINDOW_NS + 1)

    def blocks(self, start_ns: int, end_ns: int) -> Iterator[Place]:
        """Yield the blocks that may hold readings of start_ns ≤ time < end_ns, each level in order of time."""
        # Retention may hide a part of a block, or of what the journal holds.
        for level, spans in (
            (DAYS, self._days(start_ns, end_ns)),
            (WINDOWS, self._windows(start_ns, end_ns)),
        ):
            for span in spans:
                for kept in level.kept(self._db, span, self._id):
                    if kept.last_ns >= start_ns and kept.first_ns < end_ns:
                        yield Place(level, kept)

    def from_ns(self, start_ns: int) -> int:
        """Return the time from which single readings of a range are shown."""
        return max(start_ns, self._marks.raw_from_ns)

    def readings(self, start_ns: int, end_ns: int, at_most: int) -> Column | None:
        """Return the single readings of a range, or None if there are more than `at_most`."""
        start_ns = self.from_ns(start_ns)
        unsealed = self._tail.readings(self._id, start_ns, end_ns)
        count = len(unsealed[0])
        places = []
        for place in self.blocks(start_ns, end_ns):
            places.append(place)
            if place.kept.first_ns >= start_ns and place.kept.last_ns < end_ns:
                count += place.kept.n
            if count > at_most:
                return None
        column = merge([unsealed, *(self.unpack(place, start_ns, end_ns) for place in places)])
        return column if len(column[0]) <= at_most else None

    def unpack(self, place: Place, start_ns: int, end_ns: int) -> Column:
        """Return a block's readings of a range. Raises Damaged."""
        return unpack(place.level.body(self._db, place.kept.id), start_ns, end_ns)

    def page(self, start_ns: int, end_ns: int, about: int) -> tuple[Column, int]:
        """Return the first readings of a range, about as many as asked for, and from where on to go on; end_ns at the end."""
        start_ns = self.from_ns(start_ns)
        columns: list[Column] = []
        until_ns = end_ns
        for level in (DAYS, WINDOWS):
            count = 0
            for place in self.blocks(start_ns, end_ns):
                if place.level is not level:
                    continue
                if count >= about:
                    until_ns = min(until_ns, place.kept.first_ns)
                    break
                columns.append(self.unpack(place, start_ns, end_ns))
                count += place.kept.n
        unsealed = self._tail.readings(self._id, start_ns, until_ns)
        if len(unsealed[0]) > about:
            until_ns = unsealed[0][about]
        columns.append(unsealed)
        return cut(merge(columns), start_ns, until_ns), until_ns

    def _minutes_of_windows(self, first: int, behind: int) -> list[Rollups]:
        """Return the minutes of first ≤ minute < behind that windows hold, and those of unsealed readings."""
        out = []
        for window in self._windows(first * MINUTE_NS, behind * MINUTE_NS):
            row = self._db.execute(
                "SELECT body FROM block_minutes WHERE id = ?", (WINDOWS.minutes_key(window, self._id),)
            ).fetchone()
            if row is not None:
                out.append(unpack_rollups(row[0]).cut(first, behind))
        unsealed = self._tail.readings(self._id, first * MINUTE_NS, behind * MINUTE_NS)
        return [*out, of_readings(unsealed, MINUTE_NS)]

    def minutes(self, first: int, behind: int) -> list[Rollups]:
        """Return the minutes of first ≤ minute < behind (counted since 1970), in parts that add up."""
        out = []
        for day in self._days(first * MINUTE_NS, behind * MINUTE_NS):
            row = self._db.execute(
                "SELECT body FROM day_minutes WHERE id = ?", (DAYS.minutes_key(day, self._id),)
            ).fetchone()
            if row is not None:
                out.append(unpack_rollups(row[0]).cut(first, behind))
        return out + self._minutes_of_windows(first, behind)

    def hours(self, first: int, behind: int) -> list[Rollups]:
        """Return the hours of first ≤ hour < behind, in parts that add up."""
        first = max(first, self._marks.hours_from_ns // HOUR_NS)
        rows = self._db.execute(
            "SELECT hours FROM day_summary WHERE id >= ? AND id <= ?",
            (summary_key(self._id, first // 24), summary_key(self._id, (behind - 1) // 24)),
        )
        out = [unpack_rollups(body).cut(first, behind) for (body,) in rows]
        return [*out, fold(self._minutes_of_windows(first * 60, behind * 60), 60)]

    def days(self, first: int, behind: int) -> list[Rollups]:
        """Return the days of first ≤ day < behind, in parts that add up."""
        border = self._marks.hours_from_ns
        whole_from = max(first, -(-border // DAY_NS))
        out = Rollups()
        for key, n, low, mean, high in self._db.execute(
            "SELECT id, n, low, mean, high FROM day_summary WHERE id >= ? AND id < ?",
            (summary_key(self._id, whole_from), summary_key(self._id, behind)),
        ):
            out.window.append(day_of_summary(key))
            out.n.append(n)
            out.low.append(low)
            out.mean.append(mean)
            out.high.append(high)
        parts = [out]
        if border % DAY_NS and first <= border // DAY_NS < behind:
            # Retention's border is inside this day: its hours before it do not count.
            parts.append(fold(self.hours(border // HOUR_NS, whole_from * 24), 24))
        else:
            whole_from = max(first, border // DAY_NS)
        minutes = self._minutes_of_windows(whole_from * MINUTES_PER_DAY, behind * MINUTES_PER_DAY)
        return [*parts, fold(minutes, MINUTES_PER_DAY)]

    def has_rollups(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether there are hours of start_ns ≤ time < end_ns; both are rounded down to hours."""
        first, behind = start_ns // HOUR_NS, end_ns // HOUR_NS
        if first >= behind:
            return False
        inner = self._db.execute(
            "SELECT 1 FROM day_summary WHERE id >= ? AND id < ? LIMIT 1",
            (summary_key(self._id, -(-first // 24)), summary_key(self._id, behind // 24)),
        ).fetchone()
        if inner is not None and self._marks.hours_from_ns <= start_ns:
            return True
        return any(part.window for part in self.hours(first, behind))
