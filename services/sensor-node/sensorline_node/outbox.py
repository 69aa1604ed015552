"""The outbox: every reading is durable here before it is sent, and stays until ingest confirms that it is stored.

One SQLite file for one device. Deleted rows leave free pages that later ones use again, so the file stays at the
size of the longest wait.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

import structlog

from sensorline_node.outbox_file import in_words, open_file, used_bytes
from sensorline_node.rows import Row, Series
from sensorline_node.sensors.base import Measurement
from sensorline_node.timeline import ERAS, Timeline

log = structlog.get_logger()

READING_BYTES = 40
"""Room that a reading takes, rounded up: 28 were measured for rows of series, time and value."""

CALM_S = 10.0
"""After so long without refusing anything an outbox that accepts again says so; at its very limit it does both by turns."""


class Outbox:
    """Readings that are not confirmed yet, oldest first. Used by one thread; locked against a second process.

    `max_bytes` is how large it may become, what was set aside included; a log of some 4 MB comes beside it. `max_readings`
    limits the count, too, if it is given. `first_seq` numbers the first reading of a new file. Give the time in milliseconds:
    a file that was lost and begun again then never uses numbers for which confirmations of the lost one may still be on
    their way. Raises StartupError if the file cannot be used.
    """

    def __init__(
        self, path: Path, device: str, *, max_bytes: int, max_readings: int | None = None, first_seq: int = 1
    ) -> None:
        self._path = path
        self.max_bytes = max_bytes
        self._max_readings = max_readings
        self.revision = 0
        self._db = open_file(path, device, first_seq)
        self._by_metric = {row[1]: Series(*row) for row in self._db.execute("SELECT * FROM series")}
        self._by_id = {series.id: series for series in self._by_metric.values()}
        self.next_seq = self._number("SELECT seq FROM sqlite_sequence WHERE name = 'reading'") + 1
        """The number of the next reading."""
        self._count_again()
        self.refused = self._refused_saved = self._number("SELECT value FROM state WHERE name = 'refused'")
        """How many readings were refused since the file was begun."""
        self._timeline = Timeline(self._number("SELECT value FROM state WHERE name = 'era'"))
        self._refusing = ""
        self._refused_s = self._saved_s = float("-inf")
        self._is_uncleared = False

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    @property
    def units(self) -> dict[str, str]:
        """Metric → unit of every series that this node has ever measured, where it has one."""
        return {series.metric: series.unit for series in self._by_metric.values() if series.unit}

    @property
    def names(self) -> dict[str, str]:
        """Metric → name for people, where the sensor gave one."""
        return {series.metric: series.name for series in self._by_metric.values() if series.name}

    @property
    def used_bytes(self) -> int:
        """How much of `max_bytes` is in use."""
        return used_bytes(self._db)

    def problems(self, monotonic_s: float) -> list[str]:
        """Return sentences on what is wrong now: readings are refused, or the clock was wrong."""
        refusing = f"new readings are refused: {self._refusing}" if self._refusing else ""
        return [sentence for sentence in (refusing, self._timeline.problem(monotonic_s)) if sentence]

    def put(self, measurements: Sequence[Measurement], now_ms: int, monotonic_s: float = 0.0) -> list[Row]:
        """Make measurements durable and return them with their numbers and times.

        Times of one series strictly increase: what has no time of its own gets `now_ms` or, if that is not after the last one,
        the last one plus a millisecond; `Timeline` says when not. What does not fit (`max_bytes`, or the disk is full) is
        refused: counted in `refused`, logged once, and not in the returned list. What waits is never dropped for it.
        """
        accepted = measurements[: self._room()]
        changed: dict[str, Series] = {}
        newest_ms = max((series.last_ms for series in self._by_metric.values()), default=0)
        era = self._timeline.era
        if self._timeline.follows_back(now_ms, newest_ms, monotonic_s):
            era = (era + 1) % ERAS
            changed = {
                series.metric: series._replace(last_ms=min(series.last_ms, now_ms - 1))
                for series in self._by_metric.values()
            }
        rows: list[Row] = []
        revision = self.revision
        new_ids = count(max(self._by_id, default=0) + 1)
        for seq, m in enumerate(accepted, self.next_seq):
            before = changed.get(m.metric) or self._by_metric.get(m.metric)
            last_ms = before.last_ms if before else 0
            if m.time_ns is None:
                time_ms = last_ms = max(now_ms, last_ms + 1)
            else:
                time_ms = m.time_ns // 1_000_000
            name = m.name or (before.name if before else "")
            series_id = before.id if before else next(new_ids)
            after = Series(series_id, m.metric, m.unit, name, last_ms)
            if before is None or after[:4] != before[:4]:
                revision += 1
            changed[m.metric] = after
            rows.append(Row(seq, m.metric, m.unit, time_ms, float(m.value), era if m.time_ns is None else 0))
        if rows:
            try:
                self._write(rows, changed, era)
            except sqlite3.Error as exc:
                self._refuse(len(measurements), in_words(exc), monotonic_s)
                return []
            if era != self._timeline.era:
                self._timeline.begin_era(era, now_ms, newest_ms, monotonic_s)
            self._by_metric |= changed
            self._by_id |= {series.id: series for series in changed.values()}
            self.next_seq += len(rows)
            self.count += len(rows)
            self.revision = revision
        if len(rows) < len(measurements):
            self._refuse(len(measurements) - len(rows), self._limit(), monotonic_s)
        elif self._refusing and rows and monotonic_s - self._refused_s >= CALM_S:
            self._refusing = ""
            log.info("outbox_accepts_again", refused_in_total=self.refused)
        return rows

    def _room(self) -> int:
        """Return how many readings fit in."""
        room = (self.max_bytes - self.used_bytes) // READING_BYTES
        if self._max_readings is not None:
            room = min(room, self._max_readings - self.count)
        return max(0, room)

    def _limit(self) -> str:
        if self._max_readings is not None and self.count >= self._max_readings:
            return f"{self._max_readings:,} wait, which is the limit (NODE_OUTBOX_MAX_READINGS)"
        return f"the outbox has its largest size of {self.max_bytes:,} bytes (NODE_OUTBOX_MAX_MB)"

    def _write(self, rows: list[Row], changed: dict[str, Series], era: int) -> None:
        ids = {metric: series.id for metric, series in changed.items()}
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " unit = excluded.unit, name = excluded.name, last_ms = excluded.last_ms",
                changed.values(),
            )
            self._db.executemany(
                "INSERT INTO reading (seq, series, time_ms, value, era) VALUES (?, ?, ?, ?, ?)",
                [(row.seq, ids[row.metric], row.time_ms, row.value, row.era) for row in rows],
            )
            if era != self._timeline.era:
                self._db.execute("UPDATE state SET value = ? WHERE name = 'era'", (era,))
            if self.refused != self._refused_saved:
                self._db.execute("UPDATE state SET value = ? WHERE name = 'refused'", (self.refused,))
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise
        self._refused_saved = self.refused

    def _roll_back(self) -> None:
        # SQLite ends the transaction itself after some errors, such as a full disk.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _refuse(self, number: int, detail: str, monotonic_s: float) -> None:
        self.refused += number
        if monotonic_s - self._saved_s >= CALM_S:
            self._saved_s = monotonic_s
            self._save_refused()
        if not self._refusing:
            log.error("outbox_refuses_readings", detail=detail, path=str(self._path), refused=self.refused)
        self._refusing, self._refused_s = detail, monotonic_s

    def _save_refused(self) -> None:
        try:
            self._db.execute("UPDATE state SET value = ? WHERE name = 'refused'", (self.refused,))
        except sqlite3.Error:
            # The disk is full; it goes with the next reading.
            return
        self._refused_saved = self.refused

    def confirm(self, ranges: Sequence[tuple[int, int]]) -> int | None:
        """Delete the readings of these seq ranges (both ends included) and return how many there were.

        None if the file cannot be written now: they stay, and have to be sent and confirmed again.
        """
        try:
            # A deletion that a power cut takes back costs one repetition, which the store takes as the same reading:
            # it needs no fsync of its own and goes to disk with the next reading.
            deleted = self._change("DELETE FROM reading WHERE seq BETWEEN ? AND ?", ranges)
            if self.aside_count:
                self.aside_count -= self._change("DELETE FROM aside WHERE seq BETWEEN ? AND ?", ranges)
        except sqlite3.Error as exc:
            if not self._is_uncleared:
                log.warning("outbox_not_cleared", detail=f"{in_words(exc)}; the readings are sent again")
            self._is_uncleared = True
            return None
        self._is_uncleared = False
        self.count -= deleted
        return deleted

    def set_aside(self, seqs: Iterable[int]) -> None:
        """Keep readings without sending them, in a table of their own, until `bring_back()`. A full disk leaves them where they are."""
        numbers = [(seq,) for seq in seqs]
        if not numbers:
            return
        try:
            self._change(
                "INSERT INTO aside SELECT * FROM reading WHERE seq = ?",
                numbers,
                "DELETE FROM reading WHERE seq = ?",
            )
        except sqlite3.Error as exc:
            log.warning("outbox_not_set_aside", detail=in_words(exc))
            return
        self._count_again()

    def bring_back(self) -> int:
        """Let what was set aside wait among the others again, and return how much that is."""
        if not self.aside_count:
            return 0
        brought = self.aside_count
        try:
            self._change(
                "INSERT INTO reading SELECT * FROM aside WHERE ?", [(1,)], "DELETE FROM aside WHERE ?"
            )
        except sqlite3.Error as exc:
            log.warning("outbox_not_brought_back", detail=in_words(exc))
            return 0
        self._count_again()
        return brought

    def _count_again(self) -> None:
        self.count = self._number("SELECT COUNT(*) FROM reading")
        self.aside_count = self._number("SELECT COUNT(*) FROM aside")

    def _change(self, statement: str, values: Sequence[tuple[int, ...]], then: str = "") -> int:
        """Run a statement for each of `values`, and another one, in one transaction without an fsync; return the first's rows."""
        if not values:
            return 0
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            changed = self._db.executemany(statement, values).rowcount
            if then:
                self._db.executemany(then, values)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            self._roll_back()
            raise
        finally:
            self._db.execute("PRAGMA synchronous=FULL")
        return changed

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
        for number, series_id, time_ms, value, era in self._db.execute(query, (seq, limit)):
            series = self._by_id[series_id]
            out.append(Row(number, series.metric, series.unit, time_ms, value, era))
        return out

    def close(self) -> None:
        """Close the file; what waits is sent by the next process."""
        if self.refused != self._refused_saved:
            self._save_refused()
        self._db.close()
