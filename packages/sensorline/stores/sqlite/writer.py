"""Commits: readings, dead letters, facts and receipts in one durable transaction."""

import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, Readings, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.base import WriterState
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.collisions import Collisions
from sensorline.stores.sqlite.ledger import Ledger
from sensorline.stores.sqlite.upkeep import Upkeep

_MINUTE_NS = 60 * 10**9


class SqliteWriter:
    """The embedded store's writer: see stores.base.StoreWriter for what it promises."""

    def __init__(self, settings: StoreSettings) -> None:
        self._path = Path(settings.path)
        self._db = schema.open_writer(self._path)
        self._upkeep = Upkeep(self._db, settings)
        self._ids: dict[Series, int] = {}
        self._newest_ns: dict[int, int] = {}
        self._dirty: set[tuple[int, int]] = set()
        self._ledger = Ledger(self._db)
        self._is_stale = False
        self._load()

    def _load(self) -> None:
        """Read what commits need in memory; also after a failed one, which has left it ahead of the database."""
        rows = self._db.execute("SELECT id, device, metric, latest_ns FROM series").fetchall()
        self._ids = {Series(device, metric): series_id for series_id, device, metric, _ in rows}
        self._newest_ns = {series_id: latest_ns for series_id, _, _, latest_ns in rows}
        self._dirty = set()
        self._is_stale = False

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable as a whole. Raises StoreUnavailable when nothing of it was stored."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._is_stale:
                self._load()
                self._ledger.load()
            result = self._write_readings(batch.readings)
            self._ledger.write(batch, result.stored)
            self._db.execute("COMMIT")
        except BaseException as exc:
            self._is_stale = True
            self._roll_back()
            if isinstance(exc, sqlite3.Error):
                raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc
            raise
        return result

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _write_readings(self, readings: Readings) -> Committed:
        if not readings:
            return Committed(0, 0, 0)
        rows: list[tuple[int, int, float]] = []
        not_newest: list[tuple[int, int, float]] = []
        latest: dict[int, tuple[int, float]] = {}
        newest_ns = self._newest_ns
        dirty: set[tuple[int, int]] = set()
        for series, time_ns, value in readings:
            series_id = self._ids.get(series)
            if series_id is None:
                series_id = self._add_series(series)
            if time_ns > newest_ns[series_id]:
                newest_ns[series_id] = time_ns
                latest[series_id] = (time_ns, value)
                rows.append((series_id, time_ns, value))
                dirty.add((series_id, time_ns // _MINUTE_NS))
            else:
                not_newest.append((series_id, time_ns, value))
        rows.sort()
        self._db.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
        shifted, repeated = 0, 0
        if not_newest:
            collisions = Collisions(self._db)
            for series_id, time_ns, value in not_newest:
                kept_ns = collisions.place(series_id, time_ns, value)
                if kept_ns is None:
                    repeated += 1
                    continue
                shifted += kept_ns != time_ns
                dirty.add((series_id, kept_ns // _MINUTE_NS))
                if kept_ns > newest_ns[series_id]:
                    newest_ns[series_id] = kept_ns
                    latest[series_id] = (kept_ns, value)
        self._mark_dirty(dirty)
        self._db.executemany(
            "UPDATE series SET latest_ns = ?, latest_value = ? WHERE id = ?",
            [(time_ns, value, series_id) for series_id, (time_ns, value) in latest.items()],
        )
        return Committed(len(readings) - repeated, repeated, shifted)

    def _add_series(self, series: Series) -> int:
        # latest_ns below every time: the series' first reading, which follows at once, is the newest.
        cursor = self._db.execute(
            "INSERT INTO series (device, metric, latest_ns, latest_value) VALUES (?, ?, -1, 0)",
            series,
        )
        series_id = int(cursor.lastrowid or 0)
        self._ids[series] = series_id
        self._newest_ns[series_id] = -1
        return series_id

    def _mark_dirty(self, windows: set[tuple[int, int]]) -> None:
        new = windows - self._dirty
        if new:
            self._db.executemany(
                "INSERT OR IGNORE INTO dirty_minute VALUES (?, ?)",
                sorted((series_id, minute * 60) for series_id, minute in new),
            )
            self._dirty |= new

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        return self._ledger.receipts()

    def series(self) -> Collection[Series]:
        """Return every series that has ever had a reading."""
        return self._ids.keys()

    def maintain(self, now_ns: int) -> bool:
        """Do one step of upkeep. Raises StoreUnavailable; nothing is lost then, the step comes again."""
        try:
            more, done = self._upkeep.step(now_ns)
        except sqlite3.Error as exc:
            self._roll_back()
            raise StoreUnavailable(f"cannot write rollups to {self._path}: {exc}") from exc
        self._dirty.difference_update(done)
        return more

    @property
    def waiting_windows(self) -> int:
        """How many rollup windows this process knows to be due."""
        return len(self._dirty)

    def state(self) -> WriterState:
        """Return counts for people."""
        counts = self._ledger.counts()
        dirty = self._db.execute("SELECT count(*) FROM dirty_minute").fetchone()[0]
        return WriterState(counts["readings"], counts["dead_letters"], dirty)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
