"""Rollups and retention, in short steps between commits.

A rollup row is a function of the readings in its window: it is recomputed from them whenever a commit touched the
window, late data included, so that doing it twice changes nothing. Which windows are still to do is durable. Where retention
has deleted a window's readings, late ones are added to the rollup instead.
"""

import sqlite3

from sensorline.settings import StoreSettings

GRACE_S = 5
"""A minute is rolled up this long after its end, so that stragglers of live data do not make it dirty again."""

WINDOWS_PER_STEP = 500
ROWS_PER_RETENTION_STEP = 20_000
RETENTION_INTERVAL_NS = 600 * 10**9
_DAY_NS = 86_400 * 10**9


class Upkeep:
    """One step at a time; each is a transaction of its own and may be killed at any point."""

    def __init__(self, db: sqlite3.Connection, settings: StoreSettings) -> None:
        self._db = db
        self._settings = settings
        self._retention_due_ns = 0

    def step(self, now_ns: int) -> tuple[bool, list[tuple[int, int]]]:
        """Return whether there is more to do at once, and the windows (series, minute number) that are done."""
        done = self._roll_up(now_ns)
        if done:
            return True, done
        if now_ns >= self._retention_due_ns:
            if self._forget(now_ns):
                return True, []
            self._retention_due_ns = now_ns + RETENTION_INTERVAL_NS
        return False, []

    def _roll_up(self, now_ns: int) -> list[tuple[int, int]]:
        before_s = now_ns // 10**9 - 60 - GRACE_S
        windows = self._db.execute(
            "SELECT series_id, start_s FROM dirty_minute WHERE start_s <= ? LIMIT ?",
            (before_s, WINDOWS_PER_STEP),
        ).fetchall()
        if not windows:
            return []
        self._db.execute("BEGIN IMMEDIATE")
        cut_s = self._raw_deleted_before_s()
        self._recompute([window for window in windows if window[1] >= cut_s])
        self._merge([window for window in windows if window[1] < cut_s])
        self._db.executemany("DELETE FROM dirty_minute WHERE series_id = ? AND start_s = ?", windows)
        self._db.execute("COMMIT")
        return [(series_id, start_s // 60) for series_id, start_s in windows]

    def _raw_deleted_before_s(self) -> int:
        row = self._db.execute("SELECT n FROM counter WHERE name = 'raw_deleted_before_s'").fetchone()
        return int(row[0]) if row else 0

    def _recompute(self, windows: list[tuple[int, int]]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO rollup_minute SELECT ?1, ?2, min(value), max(value), sum(value), count(*) FROM reading"
            " WHERE series_id = ?1 AND time_ns >= ?2 * 1000000000 AND time_ns < (?2 + 60) * 1000000000 GROUP BY series_id",
            windows,
        )
        hours = sorted({(series_id, start_s - start_s % 3600) for series_id, start_s in windows})
        self._db.executemany(
            "INSERT OR REPLACE INTO rollup_hour SELECT ?1, ?2, min(min), max(max), coalesce(sum(sum), 0), sum(n) FROM rollup_minute"
            " WHERE series_id = ?1 AND start_s >= ?2 AND start_s < ?2 + 3600 GROUP BY series_id",
            hours,
        )

    def _merge(self, windows: list[tuple[int, int]]) -> None:
        """Add late readings to windows whose own readings retention has deleted; then they have done their work.

        Deleting them in the same transaction is what makes a second time harmless.
        """
        for table, seconds in (("rollup_minute", 60), ("rollup_hour", 3600)):
            self._db.executemany(
                f"INSERT INTO {table} SELECT ?1, ?2 / {seconds} * {seconds}, min(value), max(value), sum(value), count(*)"
                " FROM reading WHERE series_id = ?1 AND time_ns >= ?2 * 1000000000 AND time_ns < (?2 + 60) * 1000000000"
                " GROUP BY series_id ON CONFLICT (series_id, start_s) DO UPDATE SET min = min(min, excluded.min),"
                " max = max(max, excluded.max), sum = sum + excluded.sum, n = n + excluded.n",
                windows,
            )
        self._db.executemany(
            "DELETE FROM reading WHERE series_id = ?1 AND time_ns >= ?2 * 1000000000 AND time_ns < (?2 + 60) * 1000000000",
            windows,
        )

    def _forget(self, now_ns: int) -> bool:
        """Delete what is older than its retention, at most one full lot; True if more may be left."""
        s = self._settings
        # Whole hours only: an hour's rollup is recomputed from its minutes and a minute's from its readings, so what
        # a rollup was made of goes together, and after the rollup was made.
        minutes_days = _longer(s.keep_minutes_days, s.keep_raw_days)
        for table, column, days, unit_ns in (
            ("reading", "time_ns", s.keep_raw_days, 1),
            ("rollup_minute", "start_s", minutes_days, 10**9),
            ("rollup_hour", "start_s", _longer(s.keep_hours_days, minutes_days), 10**9),
        ):
            if not days:
                continue
            before_ns = (int(now_ns - days * _DAY_NS) // (3600 * 10**9)) * 3600 * 10**9
            for (series_id,) in self._db.execute("SELECT id FROM series").fetchall():
                cursor = self._db.execute(
                    f"DELETE FROM {table} WHERE series_id = ?1 AND {column} < ?2 AND {column} < coalesce(("
                    f"SELECT {column} FROM {table} WHERE series_id = ?1 ORDER BY {column} LIMIT 1 OFFSET {ROWS_PER_RETENTION_STEP}"
                    f"), {2**63 - 1})",
                    (series_id, before_ns // unit_ns),
                )
                if cursor.rowcount and table == "reading":
                    self._note_raw_deleted(before_ns // 10**9)
                if cursor.rowcount >= ROWS_PER_RETENTION_STEP:
                    return True
        if s.keep_rejected_days:
            self._db.execute(
                "DELETE FROM dead_letter WHERE received_ns < ?",
                (int(now_ns - s.keep_rejected_days * _DAY_NS),),
            )
        self._db.execute("PRAGMA incremental_vacuum(256)").fetchall()
        return False

    def _note_raw_deleted(self, before_s: int) -> None:
        self._db.execute(
            "INSERT INTO counter VALUES ('raw_deleted_before_s', ?) ON CONFLICT (name) DO UPDATE SET n = max(n, excluded.n)",
            (before_s,),
        )


def _longer(days: float, finer_days: float) -> float:
    """Return how long a rollup is kept: never less than what it is made of, or it would be recomputed from a part."""
    return 0 if 0 in (days, finer_days) else max(days, finer_days)
