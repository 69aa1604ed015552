"""The SQLite database: connections, schema, migrations.

A migration ends with one transaction that has the new `user_version`: killed at any point, it happened or it did not.
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

Migrations = tuple[Callable[[sqlite3.Connection], None], ...]
"""One step for each schema version; step i leads from version i to i + 1, in one transaction. A step that has a method `prepare` does
most of its work there, in as many transactions as it likes, and goes on there after a kill."""


def run_script(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the caller's transaction, which sqlite3's own executescript() would end."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


def open_writer(path: Path, migrations: Migrations) -> sqlite3.Connection:
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
        # The smaller a page, the less a commit writes beside what is new; a block fills the pages of this size.
        db.execute("PRAGMA page_size = 4096")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        # FULL syncs the write-ahead log at each commit: only then may a message be acknowledged.
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -8000")
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
        prepare = getattr(migrations[step], "prepare", None)
        if prepare is not None:
            prepare(db)
        db.execute("BEGIN IMMEDIATE")
        try:
            migrations[step](db)
            db.execute(f"PRAGMA user_version = {step + 1}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def open_reader(path: Path, migrations: Migrations) -> sqlite3.Connection:
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
