"""The outbox: every reading is durable here before it is sent, and stays until ingest confirms that it is stored.

One SQLite file for one device. Deleted rows leave free pages that later ones use again, so the file stays at the
size of the longest wait.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from sensorline.errors import StartupError
from sensorline_node.sensors.base import Measurement

log = structlog.get_logger()

SCHEMA_VERSION = 1

AHEAD_LIMIT_MS = 86_400_000
"""A series whose last time is more than a day ahead was written by a wrong clock: to follow it would make every
later reading wrong too."""

_SCHEMA = """
CREATE TABLE owner (device TEXT NOT NULL) STRICT;
CREATE TABLE series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL UNIQUE, unit TEXT NOT NULL, name TEXT NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT;
-- AUTOINCREMENT: SQLite never gives a number twice, also after the last row was deleted.
CREATE TABLE reading (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL
) STRICT;
"""


class Row(NamedTuple):
    """A reading that waits: its number, its metric and unit, milliseconds since 1970 (UTC), its value."""

    seq: int
    metric: str
    unit: str
    time_ms: int
    value: float


class _Series(NamedTuple):
    id: int
    metric: str
    unit: str
    name: str
    last_ms: int


class Outbox:
    """Readings that are not confirmed yet, oldest first. Used by one thread; locked against a second process.

    `first_seq` numbers the first reading of a new file. Give the time in milliseconds: a file that was lost and begun
    again then never uses numbers for which confirmations of the lost one may still be on their way.
    Raises StartupError if the file cannot be used.
    """

    def __init__(self, path: Path, device: str, *, max_readings: int, first_seq: int = 1) -> None:
        self._path = path
        self._max_readings = max_readings
        self._is_refusing = False
        self.refused = 0
        self.revision = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.Error) as exc:
            raise StartupError(f"outbox {path}: cannot be opened ({exc}); set NODE_OUTBOX_PATH") from exc
        try:
            self._prepare(device, first_seq)
        except sqlite3.Error as exc:
            self._db.close()
            raise StartupError(f"outbox {path}: {_in_words(exc)}") from exc
        except StartupError:
            self._db.close()
            raise

    def _prepare(self, device: str, first_seq: int) -> None:
        db = self._db
        # The lock is held until the process ends: two nodes on one file would send each other's readings.
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute("INSERT INTO owner VALUES (?)", (device,))
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('reading', ?)", (first_seq - 1,))
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            raise StartupError(
                f"outbox {self._path}: has schema {version}, this version knows {SCHEMA_VERSION}; use the Sensorline that wrote it"
            )
        owner = str(db.execute("SELECT device FROM owner").fetchone()[0])
        if owner != device:
            raise StartupError(
                f"outbox {self._path}: belongs to device {owner!r}, this node is {device!r}; set NODE_OUTBOX_PATH to another file"
            )
        db.execute("COMMIT")
        self._by_metric = {row[1]: _Series(*row) for row in db.execute("SELECT * FROM series")}
        self._by_id = {series.id: series for series in self._by_metric.values()}
        self._next_seq = (
            int(db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()[0]) + 1
        )
        self.count = int(db.execute("SELECT COUNT(*) FROM reading").fetchone()[0])

    @property
    def units(self) -> dict[str, str]:
        """Metric → unit of every series that this node has ever measured, where it has one."""
        return {series.metric: series.unit for series in self._by_metric.values() if series.unit}

    @property
    def names(self) -> dict[str, str]:
        """Metric → name for people, where the sensor gave one."""
        return {series.metric: series.name for series in self._by_metric.values() if series.name}

    def put(self, measurements: Sequence[Measurement], now_ms: int) -> list[Row]:
        """Make measurements durable and return them with their numbers and times.

        Times of one series strictly increase: what has no time of its own gets `now_ms` or, if that is not after the
        last one, the last one plus a millisecond. What does not fit (`max_readings`, or the disk is full) is refused:
        counted in `refused`, logged once, and not in the returned list. What waits is never dropped for it.
        """
        room = max(0, self._max_readings - self.count)
        accepted = measurements[:room]
        rows: list[Row] = []
        changed: dict[str, _Series] = {}
        revision = self.revision
        for seq, m in enumerate(accepted, self._next_seq):
            before = changed.get(m.metric) or self._by_metric.get(m.metric)
            time_ms = now_ms if m.time_ns is None else m.time_ns // 1_000_000
            last_ms = before.last_ms if before else 0
            if m.time_ns is None:
                if last_ms - now_ms < AHEAD_LIMIT_MS:
                    time_ms = max(now_ms, last_ms + 1)
                last_ms = time_ms
            name = m.name or (before.name if before else "")
            new_id = before.id if before else len(self._by_metric) + len(changed) + 1
            after = _Series(new_id, m.metric, m.unit, name, last_ms)
            if before is None or after[:4] != before[:4]:
                revision += 1
            changed[m.metric] = after
            rows.append(Row(seq, m.metric, m.unit, time_ms, float(m.value)))
        if rows:
            try:
                self._write(rows, changed)
            except sqlite3.Error as exc:
                self._refuse(len(measurements), _in_words(exc))
                return []
            self._by_metric |= changed
            self._by_id |= {series.id: series for series in changed.values()}
            self._next_seq += len(rows)
            self.count += len(rows)
            self.revision = revision
        if len(rows) < len(measurements):
            self._refuse(len(measurements) - len(rows), f"{self.count:,} readings wait, which is the limit")
        elif self._is_refusing and rows:
            self._is_refusing = False
            log.info("outbox_accepts_again", refused_in_total=self.refused)
        return rows

    def _write(self, rows: list[Row], changed: dict[str, _Series]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " unit = excluded.unit, name = excluded.name, last_ms = excluded.last_ms",
                changed.values(),
            )
            self._db.executemany(
                "INSERT INTO reading VALUES (?, ?, ?, ?)",
                [(row.seq, changed[row.metric].id, row.time_ms, row.value) for row in rows],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        # SQLite ends the transaction itself after some errors, such as a full disk.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _refuse(self, count: int, detail: str) -> None:
        self.refused += count
        if not self._is_refusing:
            self._is_refusing = True
            log.error("outbox_refuses_readings", detail=detail, path=str(self._path), refused=self.refused)

    def confirm(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Delete the readings of these seq ranges (both ends included) and return how many there were."""
        deleted = 0
        # A deletion that a power cut takes back costs one repetition, which the store takes as the same reading:
        # it needs no fsync of its own and goes to disk with the next reading.
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for first, last in ranges:
                deleted += self._db.execute(
                    "DELETE FROM reading WHERE seq BETWEEN ? AND ?", (first, last)
                ).rowcount
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            log.warning("outbox_not_cleared", detail=f"{_in_words(exc)}; the readings are sent again")
            return 0
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
        self.count -= deleted
        return deleted

    def after(self, seq: int, limit: int) -> list[Row]:
        """Return the oldest waiting readings whose number is above `seq`, at most `limit`."""
        return self._rows("SELECT * FROM reading WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)

    def newest(self, limit: int) -> list[Row]:
        """Return the newest waiting reading of each metric among the last `limit` readings, oldest first."""
        rows = self._rows("SELECT * FROM reading WHERE seq > ? ORDER BY seq DESC LIMIT ?", 0, limit)
        newest = {row.metric: row for row in reversed(rows)}
        return sorted(newest.values())

    def _rows(self, query: str, seq: int, limit: int) -> list[Row]:
        out = []
        for number, series_id, time_ms, value in self._db.execute(query, (seq, limit)):
            series = self._by_id[series_id]
            out.append(Row(number, series.metric, series.unit, time_ms, value))
        return out

    def close(self) -> None:
        """Close the file; what waits is sent by the next process."""
        self._db.close()


def _in_words(exc: sqlite3.Error) -> str:
    text = str(exc)
    if "locked" in text:
        return "another process uses it; each node needs a NODE_OUTBOX_PATH of its own"
    if "not a database" in text or "malformed" in text:
        return f"the file is damaged ({text}); move it away to keep what it holds, and start again"
    if "full" in text:
        return "the disk is full; free some space"
    return text
