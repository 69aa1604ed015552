"""From rows to blocks: the migration of databases of schema 1, in transactions of some thousand readings.

Each one takes readings out of their table and puts them into blocks: killed at any point, all are in one place or the other.
Readings and rollups go straight into days. A rollup is made anew from readings where they are still there; where retention
has deleted them, the old rollup is taken over.
"""

import sqlite3
import time
from array import array

import structlog

from sensorline.stores.base import RECEIPTS_KEPT
from sensorline.stores.journal import Entry, Journal, encode
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.layout import DAY_NS, DAYS, HOUR_NS, MINUTE_NS, add_summary
from sensorline.stores.sqlite.rollups import Rollups, fold
from sensorline.stores.sqlite.sealed import add_to_span

log = structlog.get_logger()

READINGS_PER_STEP = 20_000
_SAY_EVERY_S = 5.0
_DAY_S = 86_400
_OLD_TABLES = ("reading", "rollup_minute", "rollup_hour", "dirty_minute")


def has_rows_layout(db: sqlite3.Connection) -> bool:
    """Tell whether a database has the tables of schema 1."""
    return (
        db.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'reading'").fetchone()
        is not None
    )


class Moving:
    """The step from version 2 to version 3."""

    def prepare(self, db: sqlite3.Connection) -> None:
        """Move everything in short transactions."""
        if not has_rows_layout(db):
            return
        moved, begun_s = 0, time.monotonic()
        said_s = begun_s
        log.info("store_migration_begins", to="blocks")
        while True:
            db.execute("BEGIN IMMEDIATE")
            try:
                # Asked each time: another process may have done the rest.
                count = _move_some(db) if has_rows_layout(db) else 0
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            if not count:
                break
            moved += count
            if time.monotonic() - said_s >= _SAY_EVERY_S:
                said_s = time.monotonic()
                log.info("store_migration_goes_on", rows_moved=moved)
        log.info("store_migrated", rows_moved=moved, seconds=round(time.monotonic() - begun_s, 1))

    def __call__(self, db: sqlite3.Connection) -> None:
        """Move what is left, usually nothing, and drop the old tables."""
        if not has_rows_layout(db):
            return
        while _move_some(db):
            pass
        for table in _OLD_TABLES:
            db.execute(f"DROP TABLE {table}")


def _move_some(db: sqlite3.Connection) -> int:
    """Move a part of what is left, inside the caller's transaction; return how many rows, 0 when all is done."""
    return _move_readings(db) or _move_rollups(db) or _move_receipts(db)


def _move_readings(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT series_id, time_ns FROM reading ORDER BY series_id, time_ns LIMIT 1").fetchone()
    if row is None:
        return 0
    series_id, first_ns = row
    day = first_ns // DAY_NS
    rows = db.execute(
        "SELECT time_ns, value FROM reading WHERE series_id = ? AND time_ns < ? ORDER BY time_ns LIMIT ?",
        (series_id, (day + 1) * DAY_NS, READINGS_PER_STEP),
    ).fetchall()
    column = array("q", [time_ns for time_ns, _ in rows]), array("d", [value for _, value in rows])
    add_to_span(db, marks_.load(db), DAYS, day, series_id, column)
    db.execute("DELETE FROM reading WHERE series_id = ? AND time_ns <= ?", (series_id, rows[-1][0]))
    return len(rows)


def _move_rollups(db: sqlite3.Connection) -> int:
    """Take over a day's rollups of one series, as far as the readings they were made of are gone."""
    row = db.execute(
        "SELECT series_id, start_s FROM (SELECT * FROM (SELECT series_id, start_s FROM rollup_minute"
        " ORDER BY series_id, start_s LIMIT 1) UNION ALL SELECT * FROM (SELECT series_id, start_s FROM rollup_hour"
        " ORDER BY series_id, start_s LIMIT 1)) ORDER BY series_id, start_s LIMIT 1"
    ).fetchone()
    if row is None:
        return 0
    marks = marks_.load(db)
    series_id, day = row[0], row[1] // _DAY_S
    _note_minutes_border(db, marks)
    minutes = _old_rollups(db, "rollup_minute", 60, series_id, day, marks.raw_deleted_before_s)
    hours = _old_rollups(db, "rollup_hour", 3600, series_id, day, marks.raw_deleted_before_s)
    if minutes.window:
        DAYS.add_minutes(db, day, series_id, minutes)
    # An hour is made of its minutes; where retention has taken those, it is all that is left, and has more readings.
    from_minutes = fold([minutes], HOUR_NS // MINUTE_NS)
    counts = dict(zip(from_minutes.window, from_minutes.n, strict=True))
    whole = _only(hours, {w for w, n in zip(hours.window, hours.n, strict=True) if n >= counts.get(w, 0)})
    hours = fold([whole, _only(from_minutes, set(from_minutes.window) - set(whole.window))])
    if hours.window:
        add_summary(db, series_id, day, hours)
    span = (series_id, day * _DAY_S, (day + 1) * _DAY_S)
    return sum(
        db.execute(f"DELETE FROM {table} WHERE series_id = ? AND start_s >= ? AND start_s < ?", span).rowcount
        for table in ("rollup_minute", "rollup_hour")
    )


def _note_minutes_border(db: sqlite3.Connection, marks: marks_.Marks) -> None:
    """Note, once, from where on there are minutes: schema 1 did not say."""
    if marks.minutes_deleted_before_s:
        return
    (first_minute_s,) = db.execute("SELECT min(start_s) FROM rollup_minute").fetchone()
    (first_hour_s,) = db.execute("SELECT min(start_s) FROM rollup_hour").fetchone()
    if first_minute_s is None or first_hour_s is None:
        border_s = marks.raw_deleted_before_s if first_hour_s is not None else 0
    else:
        border_s = first_minute_s // 3600 * 3600 if first_hour_s < first_minute_s // 3600 * 3600 else 1
    marks_.save(db, marks, minutes_deleted_before_s=border_s)


def _old_rollups(
    db: sqlite3.Connection, table: str, width_s: int, series_id: int, day: int, before_s: int
) -> Rollups:
    out = Rollups()
    rows = db.execute(
        f"SELECT start_s, n, min, sum, max FROM {table} WHERE series_id = ? AND start_s >= ? AND start_s < ? ORDER BY start_s",
        (series_id, day * _DAY_S, min((day + 1) * _DAY_S, before_s)),
    )
    for start_s, n, low, total, high in rows:
        # The sum of values with few decimals has no more of them: what is behind was rounding.
        rounded = round(total, 6)
        total = rounded if abs(rounded - total) <= 1e-9 * max(1.0, abs(total)) else total
        out.window.append(start_s // width_s)
        out.n.append(n)
        out.low.append(low)
        out.mean.append(min(max(total / n, low), high))
        out.high.append(high)
    return out


def _only(rollups: Rollups, windows: set[int]) -> Rollups:
    keep = [i for i, window in enumerate(rollups.window) if window in windows]
    return Rollups(
        [rollups.window[i] for i in keep],
        [rollups.n[i] for i in keep],
        [rollups.low[i] for i in keep],
        [rollups.mean[i] for i in keep],
        [rollups.high[i] for i in keep],
    )


def _move_receipts(db: sqlite3.Connection) -> int:
    """Put the receipts into the journal's first entry."""
    rows = db.execute("SELECT packed FROM receipts ORDER BY id").fetchall()
    if not rows:
        return 0
    packed = b"".join([row[0] for row in rows])[-10 * RECEIPTS_KEPT :]
    receipts = [packed[i : i + 10] for i in range(0, len(packed), 10)]
    entry = Entry(
        packet_ids=[int.from_bytes(receipt[:2], "big") for receipt in receipts],
        digests=[int.from_bytes(receipt[2:], "big") for receipt in receipts],
    )
    Journal(db).append(encode(entry))
    db.execute("DELETE FROM receipts")
    return len(receipts)
