"""The windows whose rollup is to be recomputed: durable here, and told to readers as bits in each hour's `todo` field.

A reader elsewhere must never take a rollup that lacks a reading. So a window is marked in InfluxDB before its reading is sent, and
the mark goes with the very point that brings the new rollup.
"""

import sqlite3
from collections.abc import Iterable

Window = tuple[int, int]
"""Series id and number of the minute since 1970."""

Hour = tuple[int, int]
"""Series id and number of the hour since 1970."""


class Todo:
    """The list in memory, and its table. `add`, then `save` inside a transaction, then `saved` after it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._windows: set[Window] = set()
        self._masks: dict[Hour, int] = {}
        self._told: set[Window] = set()
        self._new: set[Window] = set()
        self._to_tell: set[Window] = set()

    def load(self) -> None:
        """Read the table. What readers have been told is not known then, so they are told again."""
        self._masks.clear()
        self._told.clear()
        self._windows = {
            (series_id, start_s // 60)
            for start_s, series_id in self._db.execute("SELECT start_s, series_id FROM dirty_minute")
        }
        for window in self._windows:
            self._set_bit(window)

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, touched: set[Window]) -> dict[Hour, int]:
        """Add windows; return the hours whose mask readers have to be told, with the mask."""
        self._to_tell = touched - self._told
        self._new = self._to_tell - self._windows
        self._windows |= self._new
        for window in self._new:
            self._set_bit(window)
        hours = {(series_id, minute // 60) for series_id, minute in self._to_tell}
        return {hour: self._masks[hour] for hour in sorted(hours)}

    def _set_bit(self, window: Window) -> None:
        hour = (window[0], window[1] // 60)
        self._masks[hour] = self._masks.get(hour, 0) | 1 << window[1] % 60

    def save(self) -> None:
        """Write what was added, inside the caller's transaction."""
        self._db.executemany(
            "INSERT OR IGNORE INTO dirty_minute VALUES (?, ?)",
            sorted((minute * 60, series_id) for series_id, minute in self._new),
        )

    def saved(self) -> None:
        """The transaction has succeeded: the marks are pending before the readings, so readers will have been told."""
        self._told |= self._to_tell

    def mask_without(self, hour: Hour, done: Iterable[Window]) -> int:
        """Return an hour's mask as it will be when `done` is done."""
        mask = self._masks.get(hour, 0)
        for series_id, minute in done:
            if (series_id, minute // 60) == hour:
                mask &= ~(1 << minute % 60)
        return mask

    def due(self, before_s: int, at_least: int) -> list[Window]:
        """Return the oldest windows that begin at or before `before_s`: whole minutes, until there are enough."""
        rows = self._db.execute(
            "SELECT start_s, count(*) FROM dirty_minute WHERE start_s <= ? GROUP BY start_s ORDER BY start_s LIMIT ?",
            (before_s, at_least),
        )
        last_s, count = None, 0
        for start_s, series in rows:
            last_s, count = start_s, count + series
            if count >= at_least:
                break
        if last_s is None:
            return []
        chosen = self._db.execute(
            "SELECT series_id, start_s / 60 FROM dirty_minute WHERE start_s <= ? ORDER BY start_s, series_id",
            (last_s,),
        )
        return chosen.fetchall()

    def done(self, windows: Iterable[Window]) -> None:
        """Take windows off the list, in a transaction of its own."""
        windows = list(windows)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "DELETE FROM dirty_minute WHERE start_s = ? AND series_id = ?",
            [(minute * 60, series_id) for series_id, minute in windows],
        )
        self._db.execute("COMMIT")
        self._windows.difference_update(windows)
        self._told.difference_update(windows)
        for series_id, minute in windows:
            hour = (series_id, minute // 60)
            mask = self._masks.get(hour, 0) & ~(1 << minute % 60)
            if mask:
                self._masks[hour] = mask
            else:
                self._masks.pop(hour, None)
