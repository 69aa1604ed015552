"""Questions to the embedded store, through a read-only connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.events import Account, Event, EventKind
from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns, DeviceInfo, SeriesInfo
from sensorline.stores.buckets import HOUR_NS, MINUTE_NS, bucket_width, check_range
from sensorline.stores.journal.codec import Damaged
from sensorline.stores.sqlite import events as events_
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.blocks import Column
from sensorline.stores.sqlite.layout import DAY_NS
from sensorline.stores.sqlite.ranges import SeriesRange
from sensorline.stores.sqlite.rollups import Rollups, fold, of_readings
from sensorline.stores.sqlite.tail import Tail
from sensorline.stores.sqlite.versions import MIGRATIONS

RAW_READINGS_MAX = 40_000
"""A query that would touch more single readings than this uses minute rollups instead: about 20 ms of work."""

LAST_NS = 2**63 - 1 - DAY_NS
"""A day before the end of 64-bit nanoseconds (in 2262), so that a bucket's end is one too."""

EXPORT_READINGS = 5_000


class SqliteReader:
    """The embedded store's reader: see stores.base.StoreReader. Opens the database at the first question.

    Each answer is one short transaction: an open one would keep the write-ahead log from shrinking.
    """

    def __init__(self, path: Path, migrations: schema.Migrations = MIGRATIONS) -> None:
        self._path = path
        self._migrations = migrations
        self._db: sqlite3.Connection | None = None
        self._tail: Tail | None = None

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[sqlite3.Connection, Tail]]:
        """Look at one moment of the database. Raises StoreUnavailable."""
        try:
            if self._db is None or self._tail is None:
                self._db = schema.open_reader(self._path, self._migrations)
                self._tail = Tail(self._db)
            self._db.execute("BEGIN")
            try:
                self._tail.refresh()
                yield self._db, self._tail
            finally:
                self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            self.close()
            raise StoreUnavailable(f"cannot read the store {self._path}: {exc}") from exc
        except Damaged as exc:
            self.close()
            raise StoreUnavailable(
                f"the store {self._path} is damaged: {exc}; `sensorline store check` says where"
            ) from exc

    def query(self, series: Series, start_ns: int, end_ns: int, max_points: int) -> Columns:
        """Return at most `max_points` buckets; see stores.base.StoreReader.query.

        Buckets hold whole windows: the first and the last may reach over the range's ends.
        """
        check_range(start_ns, end_ns, max_points)
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 1), LAST_NS)
        with self._snapshot() as (db, tail):
            series_id = tail.ids.get(series)
            if series_id is None or tail.latest(series_id)[0] < 0:
                return _columns(0, Rollups())
            columns = _buckets(SeriesRange(db, tail, series_id), tail, start_ns, end_ns, max_points)
            columns.last_ns = tail.latest(series_id)[0]
            return columns

    def latest(self) -> list[SeriesInfo]:
        """Return every series with its newest reading."""
        with self._snapshot() as (db, tail):
            facts = {known.device: known for known in _all_facts(db)}
            newest = sorted((tail.sealed[i].series, *tail.latest(i)) for i in tail.sealed)
        out = []
        for series, time_ns, value in newest:
            if time_ns >= 0:
                known = facts.get(series.device, DeviceFacts(series.device))
                unit, name = known.units.get(series.metric), known.names.get(series.metric)
                out.append(SeriesInfo(series, unit, name, time_ns, value))
        return out

    def devices(self) -> list[DeviceInfo]:
        """Return every device that has readings or facts."""
        with self._snapshot() as (db, tail):
            facts = _all_facts(db)
            seen: dict[str, int] = {}
            for series_id, sealed in tail.sealed.items():
                time_ns, device = tail.latest(series_id)[0], sealed.series.device
                if time_ns > seen.get(device, -1):
                    seen[device] = time_ns
        return [DeviceInfo(known, seen.get(known.device)) for known in facts]

    def events(
        self,
        start_ns: int,
        end_ns: int,
        device: str | None = None,
        limit: int = 1000,
        kind: EventKind | None = None,
    ) -> list[Event]:
        """Return the newest events that touch a range; see stores.base.StoreReader.events."""
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 0), LAST_NS)
        with self._snapshot() as (db, _):
            return events_.find(db, start_ns, end_ns, device, kind, limit)

    def accounts(self) -> list[Account]:
        """Return every device's account."""
        with self._snapshot() as (db, _):
            return events_.accounts(db)

    def export(self, series: Series, start_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield every reading of the range in order; each few thousand are a question of their own."""
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 0), LAST_NS)
        while start_ns < end_ns:
            with self._snapshot() as (db, tail):
                series_id = tail.ids.get(series)
                if series_id is None:
                    return
                times_and_values, start_ns = SeriesRange(db, tail, series_id).page(
                    start_ns, end_ns, EXPORT_READINGS
                )
            yield from zip(*times_and_values, strict=True)

    def close(self) -> None:
        """Release the connection; the next question opens it again."""
        db, self._db, self._tail = self._db, None, None
        if db is not None:
            with suppress(sqlite3.Error):
                db.close()


def _all_facts(db: sqlite3.Connection) -> list[DeviceFacts]:
    rows = db.execute("SELECT facts FROM device ORDER BY name")
    return [msgspec.msgpack.decode(facts, type=DeviceFacts) for (facts,) in rows]


def _buckets(series_range: SeriesRange, tail: Tail, start_ns: int, end_ns: int, max_points: int) -> Columns:
    """Return single readings where they fit and are there, else buckets from the coarsest rollup that has their width."""
    marks = tail.marks
    has_raw = start_ns >= marks.raw_from_ns or not series_range.has_rollups(
        start_ns, min(marks.raw_from_ns, end_ns)
    )
    if has_raw:
        readings = series_range.readings(start_ns, end_ns, max_points)
        if readings is not None:
            return _single(readings)
    width_ns = bucket_width(start_ns, end_ns, max_points)
    if width_ns < MINUTE_NS and has_raw:
        first_ns, behind_ns = _whole(start_ns, end_ns, width_ns)
        readings = series_range.readings(first_ns, behind_ns, RAW_READINGS_MAX)
        if readings is not None:
            return _columns(width_ns, of_readings(readings, width_ns))
    if width_ns < MINUTE_NS:
        width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=MINUTE_NS)
    minutes_from_ns = min(marks.minutes_from_ns, end_ns)
    if (
        width_ns < HOUR_NS
        and start_ns < minutes_from_ns
        and series_range.has_rollups(start_ns, minutes_from_ns)
    ):
        width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=HOUR_NS)
    # Whole windows: the same bucket is the same however the range around it slides.
    start_ns, end_ns = _whole(start_ns, end_ns, width_ns)
    for unit_ns, parts in (
        (DAY_NS, series_range.days),
        (HOUR_NS, series_range.hours),
        (MINUTE_NS, series_range.minutes),
    ):
        if width_ns % unit_ns == 0:
            rollups = parts(start_ns // unit_ns, -(-end_ns // unit_ns))
            return _columns(width_ns, fold(rollups, width_ns // unit_ns))
    raise AssertionError("widths from a minute on are whole minutes")


def _whole(start_ns: int, end_ns: int, width_ns: int) -> tuple[int, int]:
    return start_ns // width_ns * width_ns, -(-end_ns // width_ns) * width_ns


def _single(readings: Column) -> Columns:
    times_ns, values = readings[0].tolist(), readings[1].tolist()
    return Columns(0, times_ns, values, values[:], values[:], [1] * len(values))


def _columns(width_ns: int, rollups: Rollups) -> Columns:
    starts = [window * width_ns for window in rollups.window]
    return Columns(width_ns, starts, rollups.low, rollups.mean, rollups.high, rollups.n)
