"""The windows whose rollup is to be recomputed: durable here, and told to readers as bits in each hour's `todo` field.

A reader elsewhere must never take a rollup that lacks a reading. So a window is marked in InfluxDB before its reading is sent, and
the mark goes with the very point that brings the new rollup.
"""

import sqlite3
from collections.abc import Iterable

from sensorline.stores.buckets import MINUTE_NS
from sensorline.stores.influxdb.known import NEVER_NS, Registry
from sensorline.stores.influxdb.local import LocalFile

Window = tuple[int, int]
"""Series id and number of the minute since 1970."""

Hour = tuple[int, int]
"""Series id and number of the hour since 1970."""


class Todo:
    """The list in memory, and its table. `add`, then `save` inside a transaction, then `saved` after it."""

    def __init__(self, file: LocalFile, registry: Registry) -> None:
        self._file = file
        self._registry = registry
        self._masks: dict[Hour, int] = {}
        # What readers have been told is not known at a start, so they are told again.
        self._told: set[Window] = set()
        self._unsaved: set[Window] = set()
        self._windows: set[Window] = {
            (series_id, start_s // 60)
            for start_s, series_id in file.rows("SELECT start_s, series_id FROM dirty_minute")
        }
        for window in self._windows:
            self._set_bit(window)

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, touched: set[Window]) -> dict[Hour, int]:
        """Add windows; return the hours whose mask is to be sent before their readings, with the mask."""
        to_tell = touched - self._told
        new = to_tell - self._windows
        self._windows |= new
        self._unsaved |= new
        self._told |= to_tell
        for window in new:
            self._set_bit(window)
        hours = {(series_id, minute // 60) for series_id, minute in to_tell}
        return {hour: self._masks[hour] for hour in sorted(hours)}

    def _set_bit(self, window: Window) -> None:
        hour = (window[0], window[1] // 60)
        self._masks[hour] = self._masks.get(hour, 0) | 1 << window[1] % 60

    def save(self, db: sqlite3.Connection) -> None:
        """Write what was added."""
        db.executemany(
            "INSERT OR IGNORE INTO dirty_minute VALUES (?, ?)",
            sorted((minute * 60, series_id) for series_id, minute in self._unsaved),
        )

    def saved(self) -> None:
        """The transaction has succeeded."""
        self._unsaved.clear()

    def mask_without(self, hour: Hour, done: Iterable[Window]) -> int:
        """Return an hour's mask as it will be when `done` is done."""
        mask = self._masks.get(hour, 0)
        for series_id, minute in done:
            if (series_id, minute // 60) == hour:
                mask &= ~(1 << minute % 60)
        return mask

    def due(self, before_s: int, at_least: int) -> list[Window]:
        """Return the oldest saved windows that begin at or before `before_s`: whole minutes, until there are enough."""
        rows = self._file.rows(
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
        return self._file.rows(
            "SELECT series_id, start_s / 60 FROM dirty_minute WHERE start_s <= ? ORDER BY start_s, series_id",
            (last_s,),
        )

    def done(self, windows: Iterable[Window]) -> None:
        """Take windows off the list, in a transaction of its own."""
        windows = list(windows)
        with self._file.transaction() as db:
            db.executemany(
                "DELETE FROM dirty_minute WHERE start_s = ? AND series_id = ?",
                [(minute * 60, series_id) for series_id, minute in windows],
            )
        self._windows.difference_update(windows)
        self._told.difference_update(windows)
        for series_id, minute in windows:
            known = self._registry.by_id[series_id]
            if known.marked_until_ns == (minute + 1) * MINUTE_NS:
                known.marked_until_ns = NEVER_NS
            hour = (series_id, minute // 60)
            mask = self._masks.get(hour, 0) & ~(1 << minute % 60)
            if mask:
                self._masks[hour] = mask
            else:
                self._masks.pop(hour, None)
