"""A copy of a store's SQLite file, made while ingest goes on writing.

One step of SQLite's online backup (sqlite.org/backup.html) copies what is committed at that moment: a reader of a write-ahead log
holds nobody up. A plain `cp` would miss the log, or mix two moments.
"""

import os
import sqlite3
import tempfile
import urllib.parse
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sensorline.errors import StoreUnavailable
from sensorline.stores.sqlite.check import Check
from sensorline.stores.sqlite.schema import BUSY_TIMEOUT_S
from sensorline.stores.sqlite.versions import MIGRATIONS


class Backup(NamedTuple):
    """What is in a backup. `readings` is None for the file beside InfluxDB, which has none."""

    series: int
    readings: int | None
    size_bytes: int


def back_up(store: Path, target: Path) -> Backup:
    """Copy a store of any schema version to a new file that only its owner can read, and check the copy.

    The file is there when all of it is, and checked. Raises StoreUnavailable, and leaves no file behind, when the target exists,
    the store cannot be read, the disk is full, or the copy fails SQLite's integrity check.
    """
    if target.exists() or target.is_symlink():
        raise StoreUnavailable(f"{target} exists already: a backup overwrites nothing; give another name")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as exc:
        raise StoreUnavailable(f"cannot write to {target.parent}: {exc.strerror}") from exc
    os.close(descriptor)
    part = Path(name)
    try:
        made = _copy(store, part)
        _sync(part)
        _give_name(part, target)
        # Network shares may have no sync of folders.
        with suppress(OSError):
            _sync(target.parent)
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"cannot back up {store} to {target}: {exc}") from exc
    except OSError as exc:
        raise StoreUnavailable(f"cannot write {target}: {exc.strerror}") from exc
    finally:
        part.unlink(missing_ok=True)
    return made


def _copy(store: Path, part: Path) -> Backup:
    uri = f"file:{urllib.parse.quote(str(store.absolute()))}?mode=ro"
    try:
        source = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as exc:
        raise StoreUnavailable(f"cannot read the store {store}: {exc}; STORE_PATH names it") from exc
    with closing(source), closing(sqlite3.connect(part, isolation_level=None)) as copy:
        # All pages in one step: with several, each commit of ingest would make it begin again.
        source.backup(copy)
        # One file that needs no others beside it, not even to be read; ingest makes it a write-ahead log again.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = [str(row[0]).replace("\n", " ") for row in copy.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise StoreUnavailable(
                f"the store {store} is damaged, so nothing was backed up: {'; '.join(found)}"
            )
        tables = {str(row[0]) for row in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not {"series", "receipts"} <= tables:
            raise StoreUnavailable(f"{store} is not a store of Sensorline; STORE_PATH names it")
        (series,) = copy.execute("SELECT count(*) FROM series").fetchone()
        readings = None
        if "reading" in tables:
            (readings,) = copy.execute("SELECT count(*) FROM reading").fetchone()
        (version,) = copy.execute("PRAGMA user_version").fetchone()
    if readings is None and "block" in tables:
        readings = _check(store, part, version)
    return Backup(series, readings, part.stat().st_size)


def _check(store: Path, copy: Path, version: int) -> int:
    """Check journal, blocks and rollups of a copy; return how many readings it holds."""
    check = Check(copy, migrations=MIGRATIONS[:version])
    found = list(islice(check.findings(), 3))
    if found:
        raise StoreUnavailable(f"the store {store} is damaged, so nothing was backed up: {'; '.join(found)}")
    return check.result.readings


def _give_name(part: Path, target: Path) -> None:
    """Let the part be the target. A link never takes another file's place; some file systems (FAT) have none."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise StoreUnavailable(f"{target} exists already: a backup overwrites nothing") from None
    except OSError:
        part.rename(target)


def _sync(path: Path) -> None:
    """Have a file, or a folder's list of names, on the disk before we say that it is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
