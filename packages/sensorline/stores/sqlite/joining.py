"""Joining: once a day is over, each series' windows of it become a few blocks, one row of minutes and one summary.

So a series with a reading every five minutes takes few bytes too, and a query over years finds a row for each day. Series after series is
joined, and a mark says up to which one: what windows still hold of those counts no more, and goes later, window after window, so
that pages are given back whole.
"""

import sqlite3
import time
from collections.abc import Sequence

from sensorline.pausing import pause_at
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.blocks import Block, cut, pack, unpack
from sensorline.stores.sqlite.layout import (
    DAY_NS,
    DAYS,
    HOUR_NS,
    MINUTE_NS,
    SERIES_BITS,
    WINDOWS,
    WINDOWS_PER_DAY,
    add_summary,
)
from sensorline.stores.sqlite.rollups import Rollups, fold
from sensorline.stores.sqlite.rollups import unpack as unpack_rollups
from sensorline.stores.sqlite.state import WriterState

GRACE_NS = HOUR_NS
"""A day is joined this long after its end, so that devices that were away for a while need no second time."""

STEP_S = 0.008
ROWS_PER_DELETION = 1_000


def windows_of_day(db: sqlite3.Connection, day: int) -> list[int]:
    """Return the windows of a day that hold anything, of any series."""
    return windows_between(db, day * WINDOWS_PER_DAY, (day + 1) * WINDOWS_PER_DAY)


def windows_between(db: sqlite3.Connection, first: int, behind: int) -> list[int]:
    """Return the windows of first ≤ window < behind that hold anything, of any series: one look-up each."""
    out = []
    window: int | None = first
    while window is not None and window < behind:
        row = db.execute(
            "SELECT min(id) FROM block_minutes WHERE id >= ?", (WINDOWS.minutes_key(window, 0),)
        ).fetchone()
        if row[0] is None or row[0] >= WINDOWS.minutes_key(behind, 0):
            break
        window = int(row[0]) >> SERIES_BITS
        out.append(window)
        window += 1
    return out


class Joining:
    """One step at a time."""

    def __init__(self, state: WriterState) -> None:
        self._state = state

    def step(self, now_ns: int) -> bool:
        """Join a few series' days, or delete some of what was joined; True if something was done. Raises sqlite3.Error."""
        return self._delete_joined() or self._join_some(now_ns)

    def _delete_joined(self) -> bool:
        state = self._state
        behind = state.marks.joined_day * WINDOWS_PER_DAY
        deleted = 0
        for table, key in (
            (WINDOWS.table, WINDOWS.span_key(behind)),
            (WINDOWS.minutes_table, WINDOWS.minutes_key(behind, 0)),
        ):
            deleted += state.db.execute(
                f"DELETE FROM {table} WHERE id < ?1 AND id < coalesce("
                f"(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {ROWS_PER_DELETION}), ?1)",
                (key,),
            ).rowcount
        return deleted > 0

    def _join_some(self, now_ns: int) -> bool:
        state = self._state
        marks = state.marks
        first = state.db.execute(
            "SELECT min(id) FROM block_minutes WHERE id >= ?",
            (WINDOWS.minutes_key(marks.joined_day * WINDOWS_PER_DAY, 0),),
        ).fetchone()[0]
        if first is None:
            return False
        day = int(first) // WINDOWS.minutes_key(WINDOWS_PER_DAY, 0)
        if (day + 1) * DAY_NS + GRACE_NS > now_ns:
            return False
        begun_s = time.perf_counter()
        behind = marks.joined_series if day == marks.joined_day else 0
        series_ids = sorted(series_id for series_id in state.buffers.by_id if series_id > behind)
        windows = windows_of_day(state.db, day)
        joined = 0
        with state.transaction():
            for series_id in series_ids:
                self._join(day, series_id, windows)
                joined += 1
                behind = series_id
                if time.perf_counter() - begun_s > STEP_S:
                    break
            if joined == len(series_ids):
                day, behind = day + 1, 0
            after = marks_.save(state.db, marks, joined_day=day, joined_series=behind)
            pause_at("joining")
        state.marks = after
        state.lookup.forget()
        state.written_bytes += 200_000
        return True

    def _join(self, day: int, series_id: int, windows: Sequence[int]) -> None:
        db, marks = self._state.db, self._state.marks
        blocks: list[Block] = []
        minutes: list[Rollups] = []
        for window in windows:
            row = db.execute(
                "SELECT body FROM block_minutes WHERE id = ?", (WINDOWS.minutes_key(window, series_id),)
            ).fetchone()
            if row is None:
                continue
            minutes.append(unpack_rollups(row[0]))
            key = WINDOWS.first_key(window, series_id)
            blocks += [
                Block(*found)
                for found in db.execute(
                    "SELECT n, first_ns, last_ns, body FROM block WHERE id >= ? AND id < ? ORDER BY id",
                    (key, WINDOWS.first_key(window, series_id + 1)),
                )
            ]
        if not minutes:
            return
        blocks = [block for block in blocks if block.last_ns >= marks.raw_from_ns]
        if blocks and blocks[0].first_ns < marks.raw_from_ns:
            blocks[0] = pack(*cut(unpack(blocks[0].body), marks.raw_from_ns, 2**63 - 1))[0]
        if blocks:
            DAYS.append(db, day, series_id, blocks)
        whole = fold(minutes)
        hours = fold([whole], HOUR_NS // MINUTE_NS).cut(marks.hours_from_ns // HOUR_NS, 1 << 62)
        whole = whole.cut(marks.minutes_from_ns // MINUTE_NS, 1 << 62)
        if whole.window:
            DAYS.add_minutes(db, day, series_id, whole)
        if hours.window:
            add_summary(db, series_id, day, hours)
