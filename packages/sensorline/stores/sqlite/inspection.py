"""What an operator wants to know of a store's SQLite file, read while ingest goes on: `sensorline doctor`.

Nothing is written, and nobody is held up: a reader of a write-ahead log only keeps that log from being taken over, so it is a
matter of seconds.
"""

import sqlite3
import time
import urllib.parse
from contextlib import closing
from pathlib import Path

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.stores.sqlite.schema import Migrations

_BUSY_TIMEOUT_S = 2.0
_STEPS = 10_000
"""Virtual machine instructions of SQLite between two looks at the clock."""


class Inspected(msgspec.Struct):
    """What was read. `faults` are SQLite's own words, at most three; `is_checked` says that it came to the end."""

    schema: int
    known_schema: int
    size_bytes: int
    log_bytes: int
    """The write-ahead log beside it."""
    journal_bytes: int = 0
    readings: int = 0
    """Readings that were sealed since the store was made, or delivered to InfluxDB."""
    dead_letters_newer: int = 0
    """Dead letters since the time that was asked for."""
    faults: list[str] = []
    is_checked: bool = False


def inspect(path: Path, migrations: Migrations, *, since_ns: int, check_for_s: float) -> Inspected:
    """Look at a file; SQLite's quick check is ended after `check_for_s` seconds. Raises StoreUnavailable."""
    uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"
    try:
        log = path.with_name(f"{path.name}-wal")
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as db:
            out = Inspected(
                schema=int(db.execute("PRAGMA user_version").fetchone()[0]),
                known_schema=len(migrations),
                size_bytes=path.stat().st_size,
                log_bytes=log.stat().st_size if log.exists() else 0,
            )
            if out.schema == out.known_schema:
                _read(db, out, since_ns)
            _check(db, out, check_for_s)
    except (sqlite3.Error, OSError) as exc:
        raise StoreUnavailable(f"cannot read {path}: {exc}") from exc
    return out


def _read(db: sqlite3.Connection, out: Inspected, since_ns: int) -> None:
    (out.journal_bytes,) = db.execute("SELECT coalesce(sum(length(entries)), 0) FROM journal").fetchone()
    (out.dead_letters_newer,) = db.execute(
        "SELECT count(*) FROM dead_letter WHERE received_ns >= ?", (since_ns,)
    ).fetchone()
    row = db.execute("SELECT n FROM counter WHERE name = 'readings'").fetchone()
    out.readings = int(row[0]) if row else 0


def _check(db: sqlite3.Connection, out: Inspected, check_for_s: float) -> None:
    deadline_s = time.monotonic() + check_for_s
    db.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS)
    try:
        lines = [str(row[0]).replace("\n", " ") for row in db.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as exc:
        if time.monotonic() > deadline_s:
            return
        out.faults = [str(exc)]
    else:
        out.faults = [line for line in lines if line != "ok"]
    finally:
        db.set_progress_handler(None, 0)
    out.is_checked = True
