"""The SQLite file: the embedded store, or what ingest keeps beside InfluxDB."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from sensorline.doctor.context import Context, in_bytes, in_words
from sensorline.doctor.findings import Finding, Level
from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.local import MIGRATIONS as BESIDE_INFLUXDB
from sensorline.stores.opening import local_path
from sensorline.stores.sqlite.inspection import Inspected, inspect
from sensorline.stores.sqlite.versions import MIGRATIONS

CHECK_FOR_S = 4.0
DAY_NS = 86_400 * 10**9
LONG_LOG_BYTES = 64e6
"""Ingest takes the log over into the database after about 4 MB; far more than that means that somebody keeps it from doing so."""
ENOUGH_READINGS = 100_000
"""From so many on, bytes a reading say something about growth."""
ALARM = 0.8


class SqliteFile:
    """Looks at the file; `bytes_per_reading` is known afterwards, if it holds enough to tell."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.path = local_path(context.store, context.influx)
        self.bytes_per_reading: float | None = None

    def findings(self) -> Iterator[Finding]:
        """Yield what was found."""
        is_beside = self._context.influx.is_chosen
        if not self.path.exists():
            yield _finding(
                Level.WARNING,
                "file",
                f"there is no {self.path}: ingest has not run with these settings on this machine, or it is elsewhere",
                "STORE_PATH as ingest has it, and the same folder to start in",
            )
            return
        yield from _owners(self.path)
        try:
            found = inspect(
                self.path,
                BESIDE_INFLUXDB if is_beside else MIGRATIONS,
                since_ns=time.time_ns() - DAY_NS,
                check_for_s=min(CHECK_FOR_S, max(self._context.left_s, 0.5)),
            )
        except StoreUnavailable as exc:
            yield _finding(
                Level.PROBLEM,
                "readable",
                str(exc),
                "restore the newest backup, or mend owner and mode of the file",
            )
            return
        yield from self._judge(found)
        if not is_beside and found.readings >= ENOUGH_READINGS:
            self.bytes_per_reading = found.size_bytes / found.readings

    def _judge(self, found: Inspected) -> Iterator[Finding]:
        yield _schema(self.path, found)
        yield _faults(self.path, found)
        if found.log_bytes > LONG_LOG_BYTES:
            yield _finding(
                Level.WARNING,
                "log",
                f"its write-ahead log is {in_bytes(found.log_bytes)}: a program keeps the database open in the middle of a question",
                f"fuser {self.path}-wal names who has it open",
            )
        if self._context.influx.is_chosen:
            yield self._journal(found)
        if found.dead_letters_newer:
            yield _finding(
                Level.WARNING,
                "dead_letters",
                f"{in_words(found.dead_letters_newer, 'message')} of the last 24 hours could not become readings, and"
                f" {'is' if found.dead_letters_newer == 1 else 'are'} kept as they came",
                "sensorline dead-letters list",
            )

    def _journal(self, found: Inspected) -> Finding:
        room = self._context.store.journal_max_mb * 1e6
        full = found.journal_bytes / room
        says = f"the journal of what InfluxDB does not have yet takes {in_bytes(found.journal_bytes)} of {in_bytes(room)}"
        if full < ALARM:
            return _finding(Level.FINE, "journal", says)
        return _finding(
            Level.PROBLEM,
            "journal",
            f"{says}; when it is full nothing more is acknowledged, and the broker's queue fills",
            f"mend InfluxDB, or STORE_JOURNAL_MAX_MB={self._context.store.journal_max_mb * 4:g}",
        )


def _schema(path: Path, found: Inspected) -> Finding:
    if found.schema > found.known_schema:
        return _finding(
            Level.PROBLEM,
            "schema",
            f"{path} has schema {found.schema}, this Sensorline knows {found.known_schema}: an older version was installed over it",
            "install the newer version again",
        )
    if found.schema < found.known_schema:
        return _finding(
            Level.WARNING,
            "schema",
            f"{path} has schema {found.schema}, this Sensorline {found.known_schema}: ingest migrates it when it starts; until then the"
            " page has no past",
            "sensorline store backup FILE, then start ingest",
        )
    return _finding(Level.FINE, "schema", f"{path}, {in_bytes(found.size_bytes)}, schema {found.schema}")


def _faults(path: Path, found: Inspected) -> Finding:
    if found.faults:
        return _finding(
            Level.PROBLEM,
            "integrity",
            f"{path} is damaged: {'; '.join(found.faults)}",
            "stop ingest, restore the newest backup; look at the disk (dmesg)",
        )
    if not found.is_checked:
        return _finding(
            Level.UNSEEN,
            "integrity",
            f"SQLite's quick check of {path} was ended after {CHECK_FOR_S:g} s, without a fault until then",
            "sensorline store check",
        )
    return _finding(
        Level.FINE,
        "integrity",
        "SQLite's quick check found no fault (`sensorline store check` looks at every reading)",
    )


def _owners(path: Path) -> Iterator[Finding]:
    files = [path, *(p for end in ("-wal", "-shm") if (p := path.with_name(path.name + end)).exists())]
    owners = {(file.stat().st_uid, file.stat().st_gid) for file in files}
    if len(owners) > 1:
        yield _finding(
            Level.PROBLEM,
            "owner",
            f"{', '.join(str(file) for file in files)} belong to different users: ingest can write some of them only",
            f"chown --reference={path} {' '.join(str(file) for file in files[1:])}",
        )
    elif not os.access(path, os.R_OK | os.W_OK):
        yield _finding(
            Level.WARNING,
            "owner",
            f"{path} cannot be written by the user who asks; ingest's has to be able to",
        )


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="store", check=check, says=says, fix=fix)
