"""The outbox's file: how it is opened, what is in it, how older ones are brought up to date, and its errors in words."""

import sqlite3
from pathlib import Path

from sensorline.errors import StartupError

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE owner (device TEXT NOT NULL) STRICT;
CREATE TABLE series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL UNIQUE, unit TEXT NOT NULL, name TEXT NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT;
-- AUTOINCREMENT: SQLite never gives a number twice, also after the last row was deleted.
CREATE TABLE reading (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL,
    era INTEGER NOT NULL DEFAULT 0
) STRICT;
"""

_SINCE_2 = """
-- What the broker does not take.
CREATE TABLE aside (
    seq INTEGER PRIMARY KEY, series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL, era INTEGER NOT NULL
) STRICT;
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO state VALUES ('era', 0), ('refused', 0);
"""


def open_file(path: Path, device: str, first_seq: int) -> sqlite3.Connection:
    """Return the file opened, prepared and locked for this process. Raises StartupError with what to do."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
    except (OSError, sqlite3.Error) as exc:
        raise StartupError(f"outbox {path}: cannot be opened ({exc}); set NODE_OUTBOX_PATH") from exc
    try:
        _prepare(db, path, device, first_seq)
    except sqlite3.Error as exc:
        db.close()
        raise StartupError(f"outbox {path}: {in_words(exc)}") from exc
    except StartupError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, device: str, first_seq: int) -> None:
    # The lock is held until the process ends: two nodes on one file would send each other's readings.
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    # Half a megabyte of pages instead of two: what is written and deleted is at the ends of one table.
    db.execute("PRAGMA cache_size=-500")
    db.execute("BEGIN IMMEDIATE")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        _run(db, _SCHEMA)
        db.execute("INSERT INTO owner VALUES (?)", (device,))
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('reading', ?)", (first_seq - 1,))
    elif version > SCHEMA_VERSION:
        raise StartupError(
            f"outbox {path}: has schema {version}, this version knows {SCHEMA_VERSION}; use the Sensorline that wrote it"
        )
    owner = str(db.execute("SELECT device FROM owner").fetchone()[0])
    if owner != device:
        raise StartupError(
            f"outbox {path}: belongs to device {owner!r}, this node is {device!r}; set NODE_OUTBOX_PATH to another file"
        )
    if version == 1:
        # Without touching a row: a day's backlog is a million of them.
        db.execute("ALTER TABLE reading ADD COLUMN era INTEGER NOT NULL DEFAULT 0")
    if version < SCHEMA_VERSION:
        _run(db, _SINCE_2)
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    db.execute("COMMIT")


def _run(db: sqlite3.Connection, script: str) -> None:
    # Not executescript(), which would commit first.
    for statement in script.split(";\n"):
        db.execute(statement)


def used_bytes(db: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use; pages that became free are used again before it grows."""
    pages = int(db.execute("PRAGMA page_count").fetchone()[0])
    free = int(db.execute("PRAGMA freelist_count").fetchone()[0])
    return (pages - free) * int(db.execute("PRAGMA page_size").fetchone()[0])


def in_words(exc: sqlite3.Error) -> str:
    """Return what an error of SQLite means for who runs the node, and what to do."""
    text = str(exc)
    if "locked" in text:
        return "another process uses it; each node needs a NODE_OUTBOX_PATH of its own"
    if "not a database" in text or "malformed" in text:
        return f"the file is damaged ({text}); move it away to keep what it holds, and start again"
    if "full" in text:
        return "the disk is full; free some space"
    if "disk I/O" in text:
        # Also a quota, or a limit of the process (setrlimit(2), RLIMIT_FSIZE): SQLite knows only ENOSPC by its name.
        return "the disk takes no more (disk I/O error); free some space, or look at the disk's health"
    return text
