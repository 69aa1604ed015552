"""The small SQLite file beside InfluxDB: what ingest must know at once, and the one batch that is on its way.

The ledger (devices, dead letters, receipts, counters) has the same tables as the embedded store's.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sensorline.reading import Series
from sensorline.stores.sqlite import schema

_TABLES = (
    """
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
"""
    + schema.LEDGER_TABLES
)


_HALF_DAY_TABLES = """
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


def _create(db: sqlite3.Connection) -> None:
    schema.run_script(db, _TABLES)


def _name_the_bucket(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE bucket (name TEXT NOT NULL)")


def _add_half_days(db: sqlite3.Connection) -> None:
    schema.run_script(db, _HALF_DAY_TABLES)


MIGRATIONS = (_create, _name_the_bucket, _add_half_days)


def path_beside(store: Path) -> Path:
    """Return the file for `STORE_PATH`: another name than an embedded store has, so that the two never meet."""
    return store.with_name(f"{store.stem}.influxdb.db")


class Parcel(NamedTuple):
    """Lines for one bucket."""

    bucket: str
    lines: bytes


class KnownSeries:
    """What ingest knows of a series. `oldest_ns` … `newest_ns` is the span outside of which no reading was ever stored."""

    __slots__ = ("id", "key", "newest_ns", "newest_value", "oldest_ns", "series")

    def __init__(
        self, series_id: int, series: Series, key: bytes, oldest_ns: int, newest_ns: int, newest_value: float
    ) -> None:
        self.id = series_id
        self.series = series
        self.key = key
        self.oldest_ns = oldest_ns
        self.newest_ns = newest_ns
        self.newest_value = newest_value


def load_series(db: sqlite3.Connection) -> list[tuple[int, str, str, int, int, float]]:
    """Return (id, device, metric, oldest_ns, newest_ns, newest_value) of every series."""
    return db.execute("SELECT id, device, metric, oldest_ns, newest_ns, newest_value FROM series").fetchall()


def save_series(db: sqlite3.Connection, touched: Iterable[KnownSeries]) -> None:
    """Write what a batch changed."""
    db.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " oldest_ns = excluded.oldest_ns, newest_ns = excluded.newest_ns, newest_value = excluded.newest_value",
        [(s.id, *s.series, s.oldest_ns, s.newest_ns, s.newest_value) for s in touched],
    )


def load_pending(db: sqlite3.Connection) -> list[Parcel]:
    """Return what is perhaps not yet in InfluxDB, in the order in which it is to be sent."""
    return [Parcel(*row) for row in db.execute("SELECT bucket, lines FROM pending ORDER BY id")]


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


def load_borders(db: sqlite3.Connection) -> dict[str, int]:
    """Return since when each level is whole; see upkeep."""
    return dict(db.execute("SELECT name, ns FROM border").fetchall())


def save_borders(db: sqlite3.Connection, borders: dict[str, int]) -> None:
    """Write them."""
    db.executemany("INSERT OR REPLACE INTO border VALUES (?, ?)", borders.items())


def bucket_of(db: sqlite3.Connection, configured: str) -> str:
    """Return the bucket that this file is about; one that was about none is about `configured` from now on."""
    row = db.execute("SELECT name FROM bucket").fetchone()
    if row is None:
        db.execute("INSERT INTO bucket VALUES (?)", (configured,))
        return configured
    return str(row[0])


def change_bucket(db: sqlite3.Connection, bucket: str) -> None:
    """Be about another bucket, of which nothing is known yet; the ledger stays. For when nothing is pending."""
    db.execute("BEGIN IMMEDIATE")
    for table in ("pending", "series", "dirty_minute", "dirty_half_day", "series_to_fill", "border"):
        db.execute(f"DELETE FROM {table}")
    db.execute("UPDATE bucket SET name = ?", (bucket,))
    db.execute("COMMIT")
