"""The small SQLite file beside InfluxDB: what was committed and is not there yet, and what ingest must know at once.

Two threads use it, one transaction after the other: commits write the journal, and the forwarder notes from time to time how far it has come.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from sensorline.errors import StoreUnavailable
from sensorline.stores import journal
from sensorline.stores.influxdb.known import NEVER_NS, NO_OLDEST_NS, KnownSeries
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.events import TABLES as EVENT_TABLES

_V1 = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    oldest_ns INTEGER NOT NULL,
    newest_ns INTEGER NOT NULL,
    newest_value REAL NOT NULL,
    UNIQUE (device, metric)
);
CREATE TABLE dirty_minute (
    start_s INTEGER NOT NULL,
    series_id INTEGER NOT NULL,
    PRIMARY KEY (start_s, series_id)
) WITHOUT ROWID;
CREATE TABLE pending (
    id INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL,
    lines BLOB NOT NULL
);
CREATE TABLE border (
    name TEXT PRIMARY KEY,
    ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE device (
    name TEXT PRIMARY KEY,
    last_seen_ns INTEGER,
    facts BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    received_ns INTEGER NOT NULL
);
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    n INTEGER NOT NULL,
    packed BLOB NOT NULL
);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counter VALUES ('readings', 0), ('dead_letters', 0);
"""

_V2 = """
CREATE TABLE bucket (
    name TEXT NOT NULL
);
"""

_V3 = """
CREATE TABLE dirty_half_day (
    start_s INTEGER NOT NULL,
    series_id INTEGER NOT NULL,
    PRIMARY KEY (start_s, series_id)
) WITHOUT ROWID;
CREATE TABLE series_to_fill (
    series_id INTEGER PRIMARY KEY
);
INSERT INTO dirty_half_day SELECT DISTINCT start_s / 43200 * 43200, series_id FROM dirty_minute;
INSERT INTO series_to_fill SELECT id FROM series;
"""

_V4 = (
    """
CREATE TABLE device_to_tell (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE bucket_change (
    after INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
INSERT INTO counter VALUES ('delivered', 0);
"""
    + journal.TABLES
)

_V5 = (
    """
CREATE TABLE state_to_tell (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    line BLOB NOT NULL,
    UNIQUE (bucket, key)
);
"""
    + EVENT_TABLES
    + journal.SNAPSHOT_TABLE
)


def _step(script: str) -> Any:
    return lambda db: schema.run_script(db, script)


MIGRATIONS: schema.Migrations = (_step(_V1), _step(_V2), _step(_V3), _step(_V4), _step(_V5))


def path_beside(store: Path) -> Path:
    """Return the file for `STORE_PATH`: another name than an embedded store has, so that the two never meet."""
    return store.with_name(f"{store.stem}.influxdb.db")


class LocalFile:
    """The open file. Whoever reads or writes it, in whatever thread, does so inside `transaction` or with `rows`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._db = schema.open_writer(path, MIGRATIONS)
        # The journal is written once and hardly ever read: its pages are not worth the memory.
        self._db.execute("PRAGMA cache_size = -2000")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is done inside, durably and as a whole. Raises StoreUnavailable; then nothing of it was done."""
        with self.lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as exc:
                with suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                if isinstance(exc, sqlite3.Error):
                    raise StoreUnavailable(f"cannot write to {self.path}: {exc}") from exc
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Keep others away while something is read. Raises StoreUnavailable."""
        with self.lock:
            try:
                yield self._db
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"cannot read {self.path}: {exc}") from exc

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return a question's rows. Raises StoreUnavailable."""
        with self.reading() as db:
            return db.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close it."""
        with self.lock:
            self._db.close()


class Parcel(NamedTuple):
    """Lines for one bucket."""

    bucket: str
    lines: bytes


def save_series(db: sqlite3.Connection, touched: Iterable[KnownSeries]) -> None:
    """Write series that are new or have changed."""
    db.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " oldest_ns = excluded.oldest_ns, newest_ns = excluded.newest_ns, newest_value = excluded.newest_value",
        [(s.id, *s.series, s.oldest_ns, s.newest_ns, s.newest_value) for s in touched],
    )


def load_pending(file: LocalFile) -> list[Parcel]:
    """Return what is perhaps not yet in InfluxDB and cannot be made again, in the order in which it is to be sent."""
    return [Parcel(*row) for row in file.rows("SELECT bucket, lines FROM pending ORDER BY id")]


def save_pending(db: sqlite3.Connection, parcels: Sequence[Parcel]) -> None:
    """Replace what is pending."""
    db.execute("DELETE FROM pending")
    db.executemany("INSERT INTO pending (bucket, lines) VALUES (?, ?)", parcels)


ADOPTED = "adopted"
"""Among the borders: the bucket has been looked through for series that were there before this file."""

BEGUN = "half_days_begun"
"""Among the borders: the bucket of half-days is there, and each of them is marked before its first reading is sent."""


def save_adopted(db: sqlite3.Connection, series_ids: Iterable[int], has_half_days: bool) -> None:
    """Note that the bucket has been looked through, and that the half-days of what was there are to be filled in."""
    save_borders(db, {ADOPTED: 1} | ({BEGUN: 1} if has_half_days else {}))
    db.executemany("INSERT INTO series_to_fill VALUES (?)", [(series_id,) for series_id in series_ids])


def load_borders(file: LocalFile) -> dict[str, int]:
    """Return since when each level is whole; see upkeep."""
    return dict(file.rows("SELECT name, ns FROM border"))


def save_borders(db: sqlite3.Connection, borders: dict[str, int]) -> None:
    """Write them."""
    db.executemany("INSERT OR REPLACE INTO border VALUES (?, ?)", borders.items())


def load_counts(file: LocalFile) -> dict[str, int]:
    """Return the counters: `readings` and `dead_letters` since the file was made, `delivered` entries of the journal."""
    return dict(file.rows("SELECT name, n FROM counter"))


def bucket_of(db: sqlite3.Connection, configured: str) -> str:
    """Return the bucket that this file is about; one that was about none is about `configured` from now on."""
    row = db.execute("SELECT name FROM bucket").fetchone()
    if row is None:
        db.execute("INSERT INTO bucket VALUES (?)", (configured,))
        return configured
    return str(row[0])


def change_bucket(db: sqlite3.Connection, bucket: str, gone: Iterable[int]) -> None:
    """Be about another bucket, of which nothing is known yet, without the series that are gone; the ledger stays."""
    for table in ("pending", "dirty_minute", "dirty_half_day", "series_to_fill", "border"):
        db.execute(f"DELETE FROM {table}")
    db.executemany("DELETE FROM series WHERE id = ?", [(series_id,) for series_id in gone])
    db.execute("UPDATE series SET oldest_ns = ?, newest_ns = ?, newest_value = 0", (NO_OLDEST_NS, NEVER_NS))
    db.execute("UPDATE bucket SET name = ?", (bucket,))
