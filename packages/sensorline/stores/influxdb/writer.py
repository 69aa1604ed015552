"""Commits to InfluxDB: durable here at once, as an entry of the journal, and delivered from there by a thread of its own.

So a slow or absent InfluxDB delays neither commits nor acknowledgements; what waits is bounded by STORE_JOURNAL_MAX_MB.
"""

import math
import time
from array import array
from collections import Counter
from collections.abc import Callable, Collection

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.events import Account, Event
from sensorline.pausing import pause_at
from sensorline.reading import Batch, Committed, Readings, Receipt, Series, Settled
from sensorline.settings import StoreSettings
from sensorline.stores.base import RECEIPTS_KEPT, Backlog, WriterState
from sensorline.stores.influxdb import local
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.forwarder import Forwarder
from sensorline.stores.influxdb.forwarding import Forwarding
from sensorline.stores.influxdb.known import KnownSeries, Registry
from sensorline.stores.influxdb.ledger import Ledger
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.influxdb.outbox import Outbox, pack
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.influxdb.succession import Succession
from sensorline.stores.influxdb.telling import Telling
from sensorline.stores.journal import Entry
from sensorline.stores.sqlite import events

log = structlog.get_logger()

SNAPSHOT_INTERVAL_S = 300.0
SNAPSHOT_BYTES = 8 * 2**20
"""A snapshot of tracking's state is saved so often, or after so many bytes of entries: they stay in the ring until then."""


class InfluxWriter:
    """The InfluxDB store's writer: see stores.base.StoreWriter."""

    def __init__(self, settings: InfluxSettings, store: StoreSettings) -> None:
        self._file = LocalFile(local.path_beside(store.path))
        self._registry = Registry(self._file.rows("SELECT * FROM series"))
        counts = local.load_counts(self._file)
        self._outbox = Outbox(self._file, counts["delivered"], int(store.journal_max_mb * 10**6))
        self._stored = counts["readings"]
        self._left_undecided = 0
        for item in self._outbox.scan():
            self._stored += len(item.entry.values) - item.undecided
            self._left_undecided += item.undecided
            for series_id, first, behind in item.entry.groups():
                known = self._registry.by_id[series_id]
                newest_ns = max(item.entry.times_ns[first:behind])
                known.committed_ns = max(known.committed_ns, newest_ns) + item.undecided
                known.committed_number = item.number
        self._succession = Succession(self._file, settings.bucket, self._outbox.newest)
        self._ledger = Ledger(self._file, settings.bucket)
        self._telling = Telling(self._file, settings.bucket)
        pending = local.load_pending(self._file)
        self._succession.tell(
            self._outbox.readings
            + sum(lines.count(b"\n") for bucket, lines in pending if bucket == self._succession.bucket)
        )
        self._connection = Connection(settings)
        self._forwarder = Forwarder(
            self._file,
            self._registry,
            self._ledger,
            self._telling,
            self._outbox,
            self._succession,
            self._connection,
            store,
        )
        self._forwarding = Forwarding(self._forwarder, self._outbox)
        self._told = Settled()
        self._snapshot_s = time.monotonic()
        self._forwarding.start()

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable. Raises StoreUnavailable; the same batch may be given again.

        A reading that is not newer than all of its series is left undecided: what is stored there is known in InfluxDB only.
        """
        with self._file.lock:
            added: list[KnownSeries] = []
            self._outbox.notes.is_current = False
            try:
                committed = self._commit(batch, added)
                self._outbox.notes.is_current = True
                return committed
            except BaseException:
                self._registry.remove(added)
                self._outbox.rolled_back()
                raise

    def _commit(self, batch: Batch, added: list[KnownSeries]) -> Committed:
        entry, undecided = self._entry(batch, added)
        changed = self._ledger.changed_facts(batch)
        is_entry = bool(len(entry.values) or entry.packet_ids or entry.begins_session or entry.notes)
        has_events = bool(batch.events or batch.accounts)
        if not (is_entry or changed or batch.dead_letters or has_events):
            return Committed(0, 0, 0)
        number, body = 0, b""
        if is_entry:
            body = pack(entry, undecided)
            self._outbox.check_room(len(body))
        with self._file.transaction() as db:
            if added:
                local.save_series(db, added)
            if is_entry:
                number = self._outbox.append(body)
            if changed:
                self._ledger.write_facts(db, changed)
            if has_events:
                self._telling.write(db, batch)
            if batch.dead_letters:
                self._ledger.write_dead_letters(db, batch.dead_letters)
            if batch.begins_session and self._ledger.has_old_receipts:
                db.execute("DELETE FROM receipts")
            pause_at("committing")
        added.clear()
        if self._succession.is_pending:
            for series_id in entry.series_ids:
                self._registry.by_id[series_id].committed_number = number
        stored = len(entry.values) - undecided
        self._stored += stored
        self._left_undecided += undecided
        self._ledger.wrote_facts(changed)
        if has_events:
            self._telling.wrote()
        if is_entry:
            self._outbox.appended(number, entry, body)
        else:
            self._outbox.wake()
        return Committed(stored, 0, 0, undecided)

    def _entry(self, batch: Batch, added: list[KnownSeries]) -> tuple[Entry, int]:
        """Return a batch's readings grouped by series, and how many are undecided."""
        readings = batch.readings
        if not readings:
            empty = Entry(packet_ids=batch.packet_ids, digests=batch.digests)
            empty.begins_session, empty.notes = batch.begins_session, batch.notes
            return empty, 0
        self._check(readings)
        all_known = self._known(readings.series, added)
        ids = [known.id for known in all_known]
        # Sorting is stable: readings of a series stay in the order in which they came.
        order = sorted(range(len(ids)), key=ids.__getitem__)
        counts = Counter(ids)
        series_ids = sorted(counts)
        entry = Entry(
            series_ids,
            [counts[series_id] for series_id in series_ids],
            array("q", [readings.time_ns[i] for i in order]),
            array("d", [readings.value[i] for i in order]),
            batch.packet_ids,
            batch.digests,
            batch.begins_session,
            batch.notes,
        )
        return entry, self._undecided(all_known, readings.time_ns)

    def _undecided(self, all_known: list[KnownSeries], times_ns: list[int]) -> int:
        """Return how many readings are not newer than all of their series before them, wherever those will be placed.

        If the commit fails, what came of it is undecided when it comes again: that is never wrong.
        """
        undecided = 0
        for known, time_ns in zip(all_known, times_ns, strict=True):
            if time_ns > known.committed_ns:
                known.committed_ns = time_ns
            else:
                undecided += 1
                # It may get the nanosecond after the newest one.
                known.committed_ns += 1
        # Nobody has looked yet what the bucket holds.
        return undecided if self._forwarder.has_adopted else len(times_ns)

    @staticmethod
    def _check(readings: Readings) -> None:
        # The sum of huge values is infinite, too.
        if math.isfinite(sum(readings.value)) or all(map(math.isfinite, readings.value)):
            return
        series, _, value = next(reading for reading in readings if not math.isfinite(reading[2]))
        raise StoreUnavailable(f"cannot store {value} of {series}: it is not finite")

    def _known(self, all_series: list[Series], added: list[KnownSeries]) -> list[KnownSeries]:
        known = self._registry.by_series
        try:
            return [known[series] for series in all_series]
        except KeyError:
            new = [series for series in dict.fromkeys(all_series) if series not in known]
            # One by one: when a name is refused, those before it are to be forgotten.
            added.extend(self._registry.add(series) for series in new)
            return [known[series] for series in all_series]

    def repeats(self) -> dict[str, int]:
        """Return nothing: what is repeated is found at the delivery, with that of other commits."""
        return {}

    def settled(self) -> Settled:
        """Return what has been decided since the last call."""
        now = self._forwarder.settled
        news, self._told = now - self._told, now
        return news

    def backlog(self) -> Backlog:
        """Return what waits for InfluxDB, and why."""
        oldest_ms = self._outbox.oldest_ms
        age_s = 0.0 if oldest_ms is None else max(time.time() - oldest_ms / 1000, 0.0)
        outbox, forwarding = self._outbox, self._forwarding
        return Backlog(
            outbox.readings, age_s, outbox.bytes, outbox.fullness, forwarding.problem, forwarding.away_s
        )

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        found, is_whole = self._outbox.receipts()
        if not is_whole and self._ledger.has_old_receipts:
            found = self._ledger.old_receipts() + found
        return found[-RECEIPTS_KEPT:]

    def series(self) -> Collection[Series]:
        """Return every series that has ever had a reading."""
        with self._file.lock:
            return list(self._registry.by_series)

    def maintain(self, now_ns: int) -> bool:
        """Let the forwarder do what upkeep there is, which keeps nobody waiting, and save tracking's state when that is due."""
        self._forwarding.want_upkeep(now_ns)
        is_due = time.monotonic() >= self._snapshot_s + SNAPSHOT_INTERVAL_S
        if is_due or self._outbox.noted_bytes > SNAPSHOT_BYTES:
            self._outbox.save_snapshot()
            self._snapshot_s = time.monotonic()
        return False

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Register who gives tracking's state; see stores.base.StoreWriter.keep."""
        self._outbox.notes.snapshot = snapshot

    def recall(self) -> tuple[bytes, list[bytes]]:
        """Return the last snapshot and the notes of every commit after it. Raises StoreUnavailable."""
        return self._outbox.recall()

    def accounts(self) -> list[Account]:
        """Return every device's account, as it was committed here. Raises StoreUnavailable."""
        with self._file.reading() as db:
            return events.accounts(db)

    def open_events(self) -> list[Event]:
        """Return the events that go on. Raises StoreUnavailable."""
        with self._file.reading() as db:
            return events.open_events(db)

    def step(self, now_ns: int, timeout_s: float) -> bool:
        """Do one step of upkeep and wait for it; True if there is more. Raises StoreUnavailable."""
        return self._forwarding.step(now_ns).result(timeout_s)

    def drain(self, timeout_s: float) -> None:
        """Return when InfluxDB has everything that was committed. Raises StoreUnavailable when an attempt has failed."""
        self._forwarding.drain(timeout_s)

    @property
    def waiting_windows(self) -> int:
        """How many rollup windows are to be recomputed."""
        return len(self._forwarder.todo)

    def state(self) -> WriterState:
        """Return counts for people."""
        told, letters = self._told, local.load_counts(self._file)["dead_letters"]
        readings = self._stored + told.stored - told.refused
        # Of readings that were refused since, `settled` is still to tell.
        letters -= self._forwarder.settled.refused - told.refused
        undecided = self._left_undecided - told.stored - told.repeated
        return WriterState(readings, letters, self.waiting_windows, undecided)

    def close(self) -> None:
        """Stop delivering, note how far it has come, and close the file and the connections."""
        try:
            self._outbox.save_snapshot()
        except StoreUnavailable as exc:
            # Its notes are still in the journal.
            log.warning("snapshot_not_saved", detail=str(exc))
        if not self._forwarding.stop():
            return
        self._forwarder.close()
        self._file.close()
        self._connection.close()
