"""`sensorline store check`: is what the store holds what was written, and do its rollups say what its readings say?

Each series' window or day is looked at in a moment of its own, so that ingest may go on meanwhile and its log stays short.
"""

import math
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.reading import Series
from sensorline.stores.journal import Cursor, decode
from sensorline.stores.journal.codec import Damaged
from sensorline.stores.sqlite import events, schema
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.blocks import NO_DECIMALS, Column, cut, merge, pack, unpack
from sensorline.stores.sqlite.layout import (
    DAYS,
    HOUR_NS,
    MINUTE_NS,
    WINDOWS,
    Level,
    day_of_summary,
    put_summary,
    series_of_summary,
    summary_key,
)
from sensorline.stores.sqlite.rollups import Rollups, fold, of_readings
from sensorline.stores.sqlite.rollups import pack as pack_rollups
from sensorline.stores.sqlite.rollups import unpack as unpack_rollups
from sensorline.stores.sqlite.versions import MIGRATIONS
from sensorline.stores.sqlite.walking import keys, spans

_EVER = 1 << 62


class Checked(msgspec.Struct):
    """What was looked at, and how many faults are left. `readings` are those that the store holds, sealed or not."""

    readings: int = 0
    blocks: int = 0
    entries: int = 0
    series: int = 0
    faults: int = 0
    repaired: int = 0


class Check:
    """One look at a store. `findings()` first, then `result` is complete."""

    def __init__(
        self, path: Path, *, repair: bool = False, migrations: schema.Migrations = MIGRATIONS
    ) -> None:
        self._path = path
        self._migrations = migrations
        self._repair = repair
        self.result = Checked()
        self._names: dict[int, Series] = {}
        self._sealed: dict[int, tuple[int, int]] = {}

    def findings(self) -> Iterator[str]:
        """Yield a line for each fault. Raises StoreUnavailable when the store cannot be read at all."""
        opened = schema.open_writer if self._repair else schema.open_reader
        with closing(opened(self._path, self._migrations)) as db:
            try:
                for finding, is_repaired in self._all(db):
                    self.result.faults += not is_repaired
                    self.result.repaired += is_repaired
                    yield f"{finding}; repaired" if is_repaired else finding
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"cannot read the store {self._path}: {exc}") from exc

    @contextmanager
    def _moment(self, db: sqlite3.Connection) -> Iterator[marks_.Marks]:
        db.execute("BEGIN IMMEDIATE" if self._repair else "BEGIN")
        try:
            yield marks_.load(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _all(self, db: sqlite3.Connection) -> Iterator[tuple[str, bool]]:
        for (line,) in db.execute("PRAGMA quick_check(5)").fetchall():
            if line != "ok":
                yield f"SQLite: {line}".replace("\n", " "), False
        with self._moment(db) as marks:
            for series_id, device, metric, *sealed in db.execute(
                "SELECT id, device, metric, sealed_entry, sealed_ns FROM series"
            ):
                self._names[series_id] = Series(device, metric)
                self._sealed[series_id] = sealed[0], sealed[1]
            self.result.series = len(self._names)
            found = list(self._journal(db, marks))
        yield from found
        for level in (DAYS, WINDOWS):
            for span, series_id in spans(db, level):
                with self._moment(db) as marks:
                    day = span * level.span_ns // DAYS.span_ns
                    is_old = level is WINDOWS and marks.is_joined(day, series_id)
                    found = [] if is_old else list(self._span(db, marks, level, span, series_id))
                yield from found
        for key in keys(db, "day_summary"):
            with self._moment(db) as marks:
                found = list(self._summary(db, marks, key))
            yield from found
        with self._moment(db) as marks:
            found = list(self._counts(db, marks))
            found += [(line, False) for line in events.unreadable(db)]
        yield from found

    def _journal(self, db: sqlite3.Connection, marks: marks_.Marks) -> Iterator[tuple[str, bool]]:
        cursor = Cursor(db, thorough=True)
        for number, body in cursor.read():
            self.result.entries += 1
            try:
                entry = decode(body)
            except Damaged as exc:
                yield f"journal, entry {number}: {exc}", False
                continue
            for series_id, first, behind in entry.groups():
                if series_id not in self._names:
                    yield f"journal, entry {number}: there is no series {series_id}", False
                times_ns = entry.times_ns[first:behind]
                if any(a >= b for a, b in pairwise(times_ns)):
                    yield f"journal, entry {number}: series {series_id} is not in order of time", False
                sealed_entry, sealed_ns = self._sealed.get(series_id, (0, 0))
                is_sealed = bisect_left(times_ns, sealed_ns) if number <= sealed_entry else 0
                self.result.readings += len(times_ns) - is_sealed
        for first, last in cursor.missing:
            # What is sealed may be gone, a whole segment at a time.
            if last > marks.sealed_to or (first, last) not in cursor.turned_over:
                yield f"journal, entries {first} to {last}: a wrong checksum, or missing", False

    def _span(
        self, db: sqlite3.Connection, marks: marks_.Marks, level: Level, span: int, series_id: int
    ) -> Iterator[tuple[str, bool]]:
        """Check the blocks of one series' window or day, and its minutes against them."""
        where = self._where(span * level.span_ns, series_id)
        if series_id not in self._names:
            yield f"{where}: there is no such series", False
        columns: list[Column] = []
        last_ns, is_whole = span * level.span_ns - 1, True
        for kept in level.kept(db, span, series_id):
            self.result.blocks += 1
            self.result.readings += kept.n
            fault = ""
            try:
                times_ns, values = unpack(level.body(db, kept.id))
            except Damaged as exc:
                fault = str(exc)
            else:
                columns.append((times_ns, values))
                if (len(times_ns), times_ns[0], times_ns[-1]) != kept[1:]:
                    fault = "a block holds other readings than it says"
                elif times_ns[0] <= last_ns or any(a >= b for a, b in pairwise(times_ns)):
                    fault = "readings are not in order of time"
            last_ns = max(last_ns, kept.last_ns)
            if fault:
                is_whole = False
                yield f"{where}: {fault}", False
        if last_ns >= (span + 1) * level.span_ns:
            is_whole = False
            yield f"{where}: readings of another time", False
        if is_whole:
            yield from self._minutes(db, marks, level, span, series_id, columns)

    def _minutes(
        self,
        db: sqlite3.Connection,
        marks: marks_.Marks,
        level: Level,
        span: int,
        series_id: int,
        columns: list[Column],
    ) -> Iterator[tuple[str, bool]]:
        key = level.minutes_key(span, series_id)
        row = db.execute(f"SELECT body FROM {level.minutes_table} WHERE id = ?", (key,)).fetchone()
        readings = cut(merge(columns), marks.raw_from_ns, 2**63 - 1)
        decimals = pack(*readings)[1] if readings[0] else NO_DECIMALS
        expected = of_readings(readings, MINUTE_NS, decimals)
        border = marks.raw_from_ns // MINUTE_NS
        if level is DAYS:
            expected = expected.cut(marks.minutes_from_ns // MINUTE_NS, _EVER)
            border = max(border, marks.minutes_from_ns // MINUTE_NS)
        stored, fault = _read(row)
        if fault or not _are_alike(stored.cut(border, _EVER), expected):
            if self._repair:
                # What is older than its readings cannot be made anew: it stays as far as it can be read.
                whole = fold([stored.cut(0, border), expected])
                db.execute(
                    f"INSERT OR REPLACE INTO {level.minutes_table} (id, body) VALUES (?, ?)",
                    (key, pack_rollups(whole)),
                )
                if level is DAYS and fold([whole], 60).window and not _has_summary(db, series_id, span):
                    put_summary(db, series_id, span, fold([whole], HOUR_NS // MINUTE_NS))
            what = fault or "minutes differ from their readings"
            yield f"{self._where(span * level.span_ns, series_id)}: {what}", self._repair
        elif level is DAYS and stored.window and not _has_summary(db, series_id, span):
            if self._repair:
                put_summary(db, series_id, span, fold([stored], HOUR_NS // MINUTE_NS))
            yield (
                f"{self._where(span * level.span_ns, series_id)}: the day's summary is missing",
                self._repair,
            )

    def _summary(self, db: sqlite3.Connection, marks: marks_.Marks, key: int) -> Iterator[tuple[str, bool]]:
        """Check a day's hours against its minutes, and the day against its hours."""
        series_id, day = series_of_summary(key), day_of_summary(key)
        row = db.execute("SELECT hours, n, low, mean, high FROM day_summary WHERE id = ?", (key,)).fetchone()
        if row is None:
            return
        minutes, fault = _read(
            db.execute(
                "SELECT body FROM day_minutes WHERE id = ?", (DAYS.minutes_key(day, series_id),)
            ).fetchone()
        )
        if fault and (day + 1) * DAYS.span_ns > marks.minutes_from_ns:
            # It was named with its readings.
            return
        border = marks.minutes_from_ns // HOUR_NS
        hours, fault = _read(row)
        expected = fold([fold([minutes], HOUR_NS // MINUTE_NS).cut(border, _EVER), hours.cut(0, border)])
        whole = Rollups([day], *([value] for value in row[1:]))
        if not fault and not _are_alike(hours, expected):
            fault = "hours differ from their minutes"
        if not fault and not _are_alike(whole, fold([hours], 24)):
            fault = "the day differs from its hours"
        if fault:
            can_repair = self._repair and bool(expected.window)
            if can_repair:
                put_summary(db, series_id, day, expected)
            yield f"{self._where(day * DAYS.span_ns, series_id)}: {fault}", can_repair

    def _counts(self, db: sqlite3.Connection, marks: marks_.Marks) -> Iterator[tuple[str, bool]]:
        """Check that the number of sealed readings is that of all blocks, or more where retention has been."""
        (counted,) = db.execute("SELECT n FROM counter WHERE name = 'readings'").fetchone()
        first = WINDOWS.first_key(marks.joined_day * (DAYS.span_ns // WINDOWS.span_ns), 0)
        held = sum(
            n
            for key, n in db.execute("SELECT id, n FROM block WHERE id >= ?", (first,))
            if not marks.is_joined(
                WINDOWS.span_of(key) * WINDOWS.span_ns // DAYS.span_ns, WINDOWS.series_of(key)
            )
        )
        held += db.execute("SELECT coalesce(sum(n), 0) FROM day_block").fetchone()[0]
        if held > counted or (held < counted and not marks.raw_deleted_before_s):
            if self._repair:
                db.execute("UPDATE counter SET n = ? WHERE name = 'readings'", (held,))
            yield f"counter: {counted:,} readings are said to be sealed, blocks hold {held:,}", self._repair

    def _where(self, start_ns: int, series_id: int) -> str:
        start = datetime.fromtimestamp(start_ns // 10**9, UTC)
        return f"{self._names.get(series_id, f'series {series_id}')} from {start:%Y-%m-%dT%H:%MZ}"


def _has_summary(db: sqlite3.Connection, series_id: int, day: int) -> bool:
    row = db.execute("SELECT 1 FROM day_summary WHERE id = ?", (summary_key(series_id, day),)).fetchone()
    return row is not None


def _read(row: tuple[bytes, ...] | None) -> tuple[Rollups, str]:
    """Return stored rollups, none where there are none, and what is wrong with them."""
    if row is None:
        return Rollups(), ""
    try:
        return unpack_rollups(row[0]), ""
    except Damaged as exc:
        return Rollups(), str(exc)


def _are_alike(one: Rollups, other: Rollups) -> bool:
    """Tell whether rollups say the same; means may differ by what rounding does."""
    if (one.window, one.n, one.low, one.high) != (other.window, other.n, other.low, other.high):
        return False
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9 * max(abs(low), abs(high)))
        for a, b, low, high in zip(one.mean, other.mean, one.low, one.high, strict=True)
    )
