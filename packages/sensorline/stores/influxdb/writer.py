"""Commits to InfluxDB: made durable here first, delivered there, and only then reported as done.

A commit resolves the readings' times, encodes the batch once, and writes all of it (lines, receipts, dead letters, facts, windows
to roll up) in one local transaction. The lines wait there as `pending` until InfluxDB has taken them. A kill at any point leads to
the same bytes being sent again, which changes nothing where they are there already; and a message that the broker delivers again
is recognised by its receipt. At most one batch is pending.
"""

import math
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import structlog

from sensorline import topics
from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, DeadLetter, Readings, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.base import WriterState
from sensorline.stores.influxdb import local, points
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import Delivery, Refused
from sensorline.stores.influxdb.half_days import HalfDays
from sensorline.stores.influxdb.instants import Instant, Instants
from sensorline.stores.influxdb.local import KnownSeries, Parcel
from sensorline.stores.influxdb.names import line_key, shown_name
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings
from sensorline.stores.influxdb.todo import Todo
from sensorline.stores.influxdb.upkeep import Upkeep
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.ledger import Ledger

log = structlog.get_logger()

MINUTE_NS = 60 * 10**9


class InfluxWriter:
    """The InfluxDB store's writer: see stores.base.StoreWriter.

    A commit that raised StoreUnavailable may be durable here and pending; given again, only its delivery is tried again.
    """

    def __init__(self, settings: InfluxSettings, store: StoreSettings) -> None:
        self._path = local.path_beside(store.path)
        self._buckets = Buckets(settings.bucket)
        self._connection = Connection(settings)
        self._delivery = Delivery(self._connection)
        self._db = schema.open_writer(self._path, local.MIGRATIONS)
        self._ledger = Ledger(self._db)
        self._known: dict[Series, KnownSeries] = {}
        self._by_id: dict[int, KnownSeries] = {}
        self._todo = Todo(self._db)
        self._half_days = HalfDays(self._db, self._connection, self._delivery, self._buckets, self._by_id)
        self._upkeep = Upkeep(
            self._db,
            self._connection,
            self._delivery,
            self._buckets,
            store,
            self._todo,
            self._half_days,
            self._by_id,
        )
        self._load()
        self._pending = local.load_pending(self._db)
        self._bucket = local.bucket_of(self._db, settings.bucket)
        if self._bucket != settings.bucket:
            self._tell_change()
        self._pending_batch: Batch | None = None
        self._pending_result = Committed(0, 0, 0)
        self._is_stale = False

    def _load(self) -> None:
        """Read what commits need in memory; also after a failed one, which has left it ahead of the database."""
        self._known.clear()
        self._by_id.clear()
        for series_id, device, metric, oldest_ns, newest_ns, value in local.load_series(self._db):
            series = Series(device, metric)
            known = KnownSeries(series_id, series, line_key(*series), oldest_ns, newest_ns, value)
            self._known[series] = self._by_id[series_id] = known
        self._todo.load()
        self._half_days.load()
        self._is_stale = False

    def _tell_change(self) -> None:
        waiting = sum(lines.count(b"\n") for bucket, lines in self._pending if bucket == self._bucket)
        log.warning(
            "bucket_changed",
            before=self._bucket,
            now=self._buckets.raw,
            readings_pending=waiting,
            detail="first what is pending goes to the bucket before, with the token of now",
        )

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable and deliver it. Raises StoreUnavailable; the same batch may be given again."""
        if batch is not self._pending_batch:
            self.deliver()
            self._prepare(batch)
        self.deliver()
        self._pending_batch = None
        return self._pending_result

    def _adopt(self) -> list[int]:
        """Return the ids of the series that were taken over: what a bucket holds that this machine's file does not know, which is
        new, or the readings are somebody else's.

        Without it a late reading could take the place of a stored one.
        """
        first, last = self._connection.influxql(
            self._buckets.raw,
            ["SELECT first(value) FROM /.*/ GROUP BY device", "SELECT last(value) FROM /.*/ GROUP BY device"],
        )
        oldest = {(table.tags.get("device"), table.name): table.values[0][0] for table in first}
        for table in last:
            time_ns, value = table.values[-1]
            device = table.tags.get("device")
            if not device or isinstance(value, str | bool):
                continue
            known = self._add_series(Series(shown_name(device), shown_name(table.name)))
            known.oldest_ns, known.newest_ns = oldest.get((device, table.name), time_ns), time_ns
            known.newest_value = float(value)
        (border,) = self._connection.influxql(self._buckets.state, ["SELECT half_days FROM border"])
        # Readers rely on the marks already.
        self._half_days.has_begun = bool(border)
        if self._known:
            log.info("adopted_stored_series", bucket=self._buckets.raw, series=len(self._known))
        return list(self._by_id)

    def _prepare(self, batch: Batch) -> None:
        """Write a batch locally, as a whole, as what is to be delivered."""
        try:
            if self._is_stale:
                self._load()
                self._ledger.load()
            adopts = not self._upkeep.has_adopted
            adopted = self._adopt() if adopts else []
            placed, touched, result = self._place(batch.readings)
            minutes = {(known.id, time_ns // MINUTE_NS) for known, time_ns, _ in placed}
            half_day_marks, marks = self._half_days.add(minutes), self._todo.add(minutes)
            self._db.execute("BEGIN IMMEDIATE")
            before = {facts.device: self._ledger.facts_of(facts.device) for facts in batch.facts}
            self._ledger.write(batch, result.stored)
            state = [
                points.device_line(after)
                for device, facts in before.items()
                if (after := self._ledger.facts_of(device)) != facts
            ]
            state += self._upkeep.latest_lines(touched)
            local.save_series(self._db, self._known.values() if adopts else touched)
            if adopts:
                local.save_adopted(self._db, adopted, self._half_days.has_begun)
            self._todo.save()
            self._half_days.save()
            parcels = [
                Parcel(self._buckets.state, b"".join(state)),
                Parcel(self._buckets.half_days, b"".join(half_day_marks)),
                Parcel(self._buckets.hours, b"".join(self._upkeep.mark_lines(marks))),
                # Last: a window is marked before its reading can be seen.
                Parcel(self._buckets.raw, b"".join([points.reading_line(k.key, t, v) for k, t, v in placed])),
            ]
            parcels = [parcel for parcel in parcels if parcel.lines]
            local.save_pending(self._db, parcels)
            self._db.execute("COMMIT")
        except BaseException as exc:
            self._is_stale = True
            self._roll_back()
            if isinstance(exc, sqlite3.Error):
                raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc
            raise
        self._todo.saved()
        self._half_days.saved()
        self._upkeep.has_adopted = True
        self._pending, self._pending_batch, self._pending_result = parcels, batch, result

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _place(
        self, readings: Readings
    ) -> tuple[list[tuple[KnownSeries, int, float]], Iterable[KnownSeries], Committed]:
        """Return each new reading with the time at which it is kept, the series that changed, and the counts."""
        placed: list[tuple[KnownSeries, int, float]] = []
        between: list[Instant] = []
        touched: dict[int, KnownSeries] = {}
        isfinite = math.isfinite
        for series, time_ns, value in readings:
            if not isfinite(value):
                raise StoreUnavailable(f"cannot store {value} of {series}: it is not finite")
            known = self._known.get(series) or self._add_series(series)
            if time_ns > known.newest_ns:
                known.newest_ns, known.newest_value = time_ns, value
                known.oldest_ns = min(known.oldest_ns, time_ns)
            elif time_ns < known.oldest_ns:
                known.oldest_ns = time_ns
            else:
                between.append((series, time_ns, value))
                continue
            touched[known.id] = known
            placed.append((known, time_ns, value))
        repeated = shifted = 0
        if between:
            instants = Instants(self._connection, self._buckets.raw)
            instants.look_up(between)
            for known, time_ns, value in placed:
                instants.take(known.series, time_ns, value)
            for series, time_ns, value in between:
                kept_ns = instants.place(series, time_ns, value)
                if kept_ns is None:
                    repeated += 1
                    continue
                shifted += kept_ns != time_ns
                known = self._known[series]
                if kept_ns > known.newest_ns:
                    known.newest_ns, known.newest_value = kept_ns, value
                    touched[known.id] = known
                placed.append((known, kept_ns, value))
        return placed, touched.values(), Committed(len(readings) - repeated, repeated, shifted)

    def _add_series(self, series: Series) -> KnownSeries:
        # A span turned inside out: the series' first reading, which follows at once, is both its oldest and its newest.
        known = KnownSeries(
            max(self._by_id, default=0) + 1, series, line_key(*series), 2**63 - 1, -(2**63), 0.0
        )
        self._known[series] = self._by_id[known.id] = known
        return known

    def deliver(self) -> None:
        """Send what is pending, to the bucket for which it was written. Raises StoreUnavailable; then it stays pending."""
        refused: list[Refused] = []
        for bucket, lines in self._pending:
            found = self._delivery.send(bucket, lines)
            if bucket == self._bucket:
                refused += found
            elif found:
                log.error("state_refused", bucket=bucket, lines=len(found), detail=found[0].why)
        if refused:
            self._reject(refused)
        # The rows themselves go with the next transaction: until then a restart sends them once more.
        self._pending = []
        if self._bucket != self._buckets.raw:
            self._change_bucket()

    def _change_bucket(self) -> None:
        """Turn to the settings' bucket. What is known of the one before (series, borders, what to roll up) is not true of it."""
        try:
            local.change_bucket(self._db, self._buckets.raw)
        except sqlite3.Error as exc:
            self._roll_back()
            raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc
        self._bucket = self._buckets.raw
        self._load()
        self._upkeep.load()

    def _reject(self, refused: Sequence[Refused]) -> None:
        """Keep refused readings as dead letters: InfluxDB will never take them, and the others must go on."""
        now_ns = time.time_ns()
        by_key = {known.key: known.series for known in self._by_id.values()}
        letters = []
        for line, why in refused:
            device, metric = by_key[line.rsplit(b" value=", 1)[0]]
            topic = f"{topics.SENSORS}/{device}/{metric}"
            letters.append(DeadLetter(topic, line, "store_refused", why, now_ns))
        log.error("readings_refused", readings=len(refused), detail=refused[0].why)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._ledger.refuse(letters)
            local.save_pending(self._db, [])
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            self._roll_back()
            raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        return self._ledger.receipts()

    def series(self) -> Collection[Series]:
        """Return every series that has ever had a reading."""
        return self._known.keys()

    def maintain(self, now_ns: int) -> bool:
        """Do one step of upkeep. Raises StoreUnavailable; nothing is lost then, the step comes again."""
        try:
            self.deliver()
            if self._is_stale:
                self._load()
                self._ledger.load()
            return self._upkeep.step(now_ns)
        except sqlite3.Error as exc:
            self._roll_back()
            raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc

    @property
    def waiting_windows(self) -> int:
        """How many rollup windows are to be recomputed."""
        return len(self._todo)

    def state(self) -> WriterState:
        """Return counts for people."""
        counts = self._ledger.counts()
        dirty = self._db.execute("SELECT count(*) FROM dirty_minute").fetchone()[0]
        return WriterState(counts["readings"], counts["dead_letters"], dirty)

    def close(self) -> None:
        """Close the file and the connections. What was delivered is not sent once more, perhaps to a bucket that is gone by then."""
        if not self._pending:
            with suppress(sqlite3.Error):
                local.save_pending(self._db, [])
        self._db.close()
        self._connection.close()
