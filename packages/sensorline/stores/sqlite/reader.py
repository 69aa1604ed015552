"""Questions to the embedded store, through a read-only connection of its own."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.reading import DeadLetter, DeviceFacts, Series
from sensorline.stores.base import Columns, DeviceInfo, SeriesInfo
from sensorline.stores.buckets import HOUR_NS, MINUTE_NS, SECOND_NS, bucket_width, check_range
from sensorline.stores.sqlite import schema

RAW_ROWS_MAX = 40_000
"""A query that would touch more single readings than this uses minute rollups instead: about 25 ms of work."""

LAST_NS = 2**63 - 1 - 86_400 * SECOND_NS
"""A day before the end of SQLite's integers (in 2262), so that a bucket's end is one too."""

EXPORT_ROWS = 5_000

_FIRST_RAW = "SELECT min(time_ns) / 1000000000 FROM reading WHERE series_id = ?1"
_FIRST_MINUTE = "SELECT min(start_s) FROM rollup_minute WHERE series_id = ?1"

_Row = tuple[int, float, float, float, int]


class SqliteReader:
    """The embedded store's reader: see stores.base.StoreReader. Opens the database at the first question.

    Each answer is one short transaction: an open one would keep the write-ahead log from shrinking.
    """

    def __init__(self, path: Path, migrations: schema.Migrations = schema.MIGRATIONS) -> None:
        self._path = path
        self._migrations = migrations
        self._db: sqlite3.Connection | None = None

    def _all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            if self._db is None:
                self._db = schema.open_reader(self._path, self._migrations)
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as exc:
            self.close()
            raise StoreUnavailable(f"cannot read the store {self._path}: {exc}") from exc

    def _series_id(self, series: Series) -> int | None:
        rows = self._all("SELECT id FROM series WHERE device = ? AND metric = ?", series)
        return int(rows[0][0]) if rows else None

    def query(self, series: Series, start_ns: int, end_ns: int, max_points: int) -> Columns:
        """Return at most `max_points` buckets; see stores.base.StoreReader.query.

        Buckets hold whole windows: the first and the last may reach over the range's ends.
        """
        check_range(start_ns, end_ns, max_points)
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 1), LAST_NS)
        # One transaction: what is said to be the newest reading is the newest of these very buckets.
        self._all("BEGIN")
        try:
            rows = self._all("SELECT id, latest_ns FROM series WHERE device = ? AND metric = ?", series)
            if not rows:
                return _columns(0, [])
            series_id, last_ns = rows[0]
            columns = self._buckets(series_id, start_ns, end_ns, max_points)
            columns.last_ns = last_ns
            return columns
        finally:
            if self._db is not None:
                self._db.execute("COMMIT")

    def _buckets(self, series_id: int, start_ns: int, end_ns: int, max_points: int) -> Columns:
        raw_count = self._count_raw(series_id, start_ns, end_ns)
        if raw_count <= max_points:
            rows = self._all(
                "SELECT time_ns, value, value, value, 1 FROM reading WHERE series_id = ? AND time_ns >= ? AND time_ns < ?"
                " ORDER BY time_ns",
                (series_id, start_ns, end_ns),
            )
            return _columns(0, rows)
        width_ns = bucket_width(start_ns, end_ns, max_points)
        if width_ns < MINUTE_NS and raw_count > RAW_ROWS_MAX:
            width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=MINUTE_NS)
        if MINUTE_NS <= width_ns < HOUR_NS and self._has_older(series_id, start_ns, _FIRST_MINUTE):
            width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=HOUR_NS)
        # Whole windows: the same bucket is the same however the range around it slides.
        start_ns, end_ns = start_ns // width_ns * width_ns, -(-end_ns // width_ns) * width_ns
        if width_ns < MINUTE_NS:
            rows = self._all(
                "SELECT time_ns / ?4 * ?4 AS start_ns, min(value), sum(value), max(value), count(*) FROM reading"
                " WHERE series_id = ?1 AND time_ns >= ?2 AND time_ns < ?3 GROUP BY start_ns ORDER BY start_ns",
                (series_id, start_ns, end_ns, width_ns),
            )
            return _columns(width_ns, rows)
        return _columns(width_ns, self._from_rollups(series_id, start_ns, end_ns, width_ns))

    def _count_raw(self, series_id: int, start_ns: int, end_ns: int) -> int:
        """Return how many readings the range has, or more than RAW_ROWS_MAX where single readings cannot answer."""
        if self._has_older(series_id, start_ns, _FIRST_RAW):
            return RAW_ROWS_MAX + 1
        rows = self._all(
            "SELECT count(*) FROM (SELECT 1 FROM reading WHERE series_id = ? AND time_ns >= ? AND time_ns < ? LIMIT ?)",
            (series_id, start_ns, end_ns, RAW_ROWS_MAX + 1),
        )
        return int(rows[0][0])

    def _has_older(self, series_id: int, start_ns: int, first_s: str) -> bool:
        """Tell whether the range has hours before the first of a finer level, which retention has cut there."""
        rows = self._all(
            "SELECT 1 FROM rollup_hour WHERE series_id = ?1 AND start_s >= ?2"
            f" AND start_s < coalesce(({first_s}) / 3600 * 3600, 1 << 62) LIMIT 1",
            (series_id, start_ns // HOUR_NS * 3600),
        )
        return bool(rows)

    def _from_rollups(self, series_id: int, start_ns: int, end_ns: int, width_ns: int) -> list[_Row]:
        """Return buckets from the coarsest rollup that fits, and from readings for minutes still to be rolled up."""
        dirty = "SELECT start_s FROM dirty_minute WHERE series_id = ?1 AND start_s >= ?2 AND start_s < ?3"
        if width_ns % HOUR_NS == 0:
            dirty_hours = f"SELECT DISTINCT start_s / 3600 * 3600 AS hour_s FROM ({dirty})"
            parts = (
                "SELECT start_s, min, sum, max, n FROM rollup_hour WHERE series_id = ?1 AND start_s >= ?2 AND start_s < ?3"
                f" AND start_s NOT IN ({dirty_hours})"
                f" UNION ALL SELECT m.start_s, m.min, m.sum, m.max, m.n FROM ({dirty_hours}) CROSS JOIN rollup_minute m"
                " ON m.series_id = ?1 AND m.start_s >= hour_s AND m.start_s < hour_s + 3600"
                f" AND m.start_s NOT IN ({dirty})"
            )
        else:
            parts = (
                "SELECT start_s, min, sum, max, n FROM rollup_minute WHERE series_id = ?1 AND start_s >= ?2 AND start_s < ?3"
                f" AND start_s NOT IN ({dirty})"
            )
        return self._all(
            # Sums of opposite infinities (of huge values) are null; what a mean can be is known from min and max.
            f"SELECT start_s / ?4 * ?4 * 1000000000 AS t, min(min), coalesce(sum(sum), 0), max(max), sum(n) FROM ({parts}"
            " UNION ALL SELECT d.start_s, min(r.value), sum(r.value), max(r.value), count(*) FROM dirty_minute d"
            " CROSS JOIN reading r ON r.series_id = d.series_id AND r.time_ns >= d.start_s * 1000000000"
            " AND r.time_ns < (d.start_s + 60) * 1000000000"
            " WHERE d.series_id = ?1 AND d.start_s >= ?2 AND d.start_s < ?3 GROUP BY d.start_s"
            ") GROUP BY t ORDER BY t",
            (series_id, start_ns // SECOND_NS, end_ns // SECOND_NS, width_ns // SECOND_NS),
        )

    def latest(self) -> list[SeriesInfo]:
        """Return every series with its newest reading."""
        facts = {info.facts.device: info.facts for info in self.devices()}
        out = []
        for device, metric, time_ns, value in self._all(
            "SELECT device, metric, latest_ns, latest_value FROM series WHERE latest_ns >= 0 ORDER BY device, metric"
        ):
            known = facts.get(device, DeviceFacts(device))
            out.append(
                SeriesInfo(
                    Series(device, metric), known.units.get(metric), known.names.get(metric), time_ns, value
                )
            )
        return out

    def devices(self) -> list[DeviceInfo]:
        """Return every device that has readings or facts."""
        rows = self._all("SELECT facts, last_seen_ns FROM device ORDER BY name")
        return [
            DeviceInfo(msgspec.msgpack.decode(facts, type=DeviceFacts), seen_ns) for facts, seen_ns in rows
        ]

    def export(self, series: Series, start_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield every reading of the range in order; each few thousand are a question of their own."""
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 0), LAST_NS)
        series_id = self._series_id(series)
        while series_id is not None:
            rows = self._all(
                "SELECT time_ns, value FROM reading WHERE series_id = ? AND time_ns >= ? AND time_ns < ?"
                " ORDER BY time_ns LIMIT ?",
                (series_id, start_ns, end_ns, EXPORT_ROWS),
            )
            yield from rows
            if len(rows) < EXPORT_ROWS:
                return
            start_ns = rows[-1][0] + 1

    def close(self) -> None:
        """Release the connection; the next question opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None


class SqliteDeadLetters:
    """The embedded store's dead letters: see stores.base.DeadLetters. Each call opens the database and closes it."""

    def __init__(self, path: Path, migrations: schema.Migrations = schema.MIGRATIONS) -> None:
        self._path = path
        self._migrations = migrations

    def _select(self, where: str, parameters: Sequence[Any]) -> list[DeadLetter]:
        reader = SqliteReader(self._path, self._migrations)
        try:
            rows = reader._all(
                f"SELECT topic, payload, reason, detail, received_ns, id FROM dead_letter WHERE {where}",
                parameters,
            )
        finally:
            reader.close()
        return [DeadLetter(*row) for row in rows]

    def list(self, limit: int, before_id: int | None = None) -> list[DeadLetter]:
        """Return the newest dead letters, newest first."""
        return self._select("id < ? ORDER BY id DESC LIMIT ?", (before_id or 2**62, limit))

    def get(self, dead_letter_id: int) -> DeadLetter | None:
        """Return one dead letter whole, or None."""
        found = self._select("id = ?", (dead_letter_id,))
        return found[0] if found else None

    def drop(self, dead_letter_ids: Sequence[int] | None) -> int:
        """Delete the given dead letters, or all with None; return how many there were."""
        db = schema.open_writer(self._path, self._migrations)
        try:
            if dead_letter_ids is None:
                return db.execute("DELETE FROM dead_letter").rowcount
            return db.executemany(
                "DELETE FROM dead_letter WHERE id = ?", [(i,) for i in dead_letter_ids]
            ).rowcount
        except sqlite3.Error as exc:
            raise StoreUnavailable(f"cannot write to the store {self._path}: {exc}") from exc
        finally:
            db.close()


def _columns(bucket_ns: int, rows: list[_Row]) -> Columns:
    """Turn rows of (start, min, sum, max, n) into columns."""
    if not rows:
        return Columns(bucket_ns, [], [], [], [], [])
    starts, lows, sums, highs, counts = map(list, zip(*rows, strict=True))
    # Rounding, or a sum beyond a double, must not lead a mean out of its bucket.
    means = [
        min(max(total / n, low), high) for low, total, high, n in zip(lows, sums, highs, counts, strict=True)
    ]
    return Columns(bucket_ns, starts, lows, means, highs, counts)
