"""The SQLite database: connections, schema, migrations.

A migration is one transaction that ends with the new `user_version`: killed at any point, it happened or it did not.
"""

import sqlite3
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from sensorline.errors import StoreTooNew, StoreUnavailable

BUSY_TIMEOUT_S = 10.0

LEDGER_TABLES = """
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
"""What ingest keeps beside the readings, whatever the store: see ledger."""

_V1 = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    latest_ns INTEGER NOT NULL,
    latest_value REAL NOT NULL,
    UNIQUE (device, metric)
);
CREATE TABLE reading (
    series_id INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series_id, time_ns)
) WITHOUT ROWID;
CREATE TABLE rollup_minute (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
CREATE TABLE rollup_hour (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
CREATE TABLE dirty_minute (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
"""


Migrations = tuple[Callable[[sqlite3.Connection], None], ...]


def run_script(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the caller's transaction, which sqlite3's own executescript() would end."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


def _create(db: sqlite3.Connection) -> None:
    run_script(db, _V1 + LEDGER_TABLES)


MIGRATIONS: Migrations = (_create,)
"""One step for each schema version; step i leads from version i to i + 1."""


def open_writer(path: Path, migrations: Migrations = MIGRATIONS) -> sqlite3.Connection:
    """Return a connection that commits durably, with the schema brought up to date.

    Raises StoreUnavailable when the file cannot be used now, StoreTooNew when a later version wrote it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as exc:
        raise StoreUnavailable(
            f"cannot open the store {path}: {exc}; check the folder and its permissions"
        ) from exc
    try:
        # 8 KiB pages hold twice the rows of a series, so that a commit dirties fewer of them.
        db.execute("PRAGMA page_size = 8192")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        # FULL syncs the write-ahead log at each commit: only then may a message be acknowledged.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -16000")
        _migrate(db, path, migrations)
    except sqlite3.Error as exc:
        db.close()
        raise StoreUnavailable(f"cannot use the store {path}: {exc}") from exc
    except StoreTooNew:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path, migrations: Migrations) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise StoreTooNew(
            f"the store {path} has schema {version}, this Sensorline knows {len(migrations)}: install the newer version again"
        )
    for step in range(version, len(migrations)):
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations[step](db)
            db.execute(f"PRAGMA user_version = {step + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def open_reader(path: Path, migrations: Migrations = MIGRATIONS) -> sqlite3.Connection:
    """Return a read-only connection. Raises StoreUnavailable while there is no database or one of another version."""
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"
    db = None
    try:
        db = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        db.execute("PRAGMA query_only = ON")
        db.execute("PRAGMA cache_size = -8000")
    except sqlite3.Error as exc:
        if db is not None:
            db.close()
        raise StoreUnavailable(f"cannot read the store {path}: {exc}; has ingest been started yet?") from exc
    if version != len(migrations):
        db.close()
        raise StoreUnavailable(
            f"the store {path} has schema {version}, expected {len(migrations)}: start ingest to migrate it"
        )
    return db
