"""Commits: a batch is one entry of the journal, made durable in one transaction; sealing comes later."""

import math
import sqlite3
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from operator import attrgetter
from pathlib import Path

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.events import Account, Event
from sensorline.pausing import pause_at
from sensorline.reading import Batch, Committed, Readings, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.base import Immediate
from sensorline.stores.base import WriterState as Counts
from sensorline.stores.journal import Entry, decode, encode, recall
from sensorline.stores.sqlite import events, schema
from sensorline.stores.sqlite.buffers import Buffer
from sensorline.stores.sqlite.collisions import Collisions
from sensorline.stores.sqlite.layout import SERIES_MAX
from sensorline.stores.sqlite.ledger import Ledger
from sensorline.stores.sqlite.sealing import UNSEALED_MAX
from sensorline.stores.sqlite.state import WriterState
from sensorline.stores.sqlite.upkeep import Upkeep
from sensorline.stores.sqlite.versions import MIGRATIONS

log = structlog.get_logger()

_by_id = attrgetter("id")


class SqliteWriter(Immediate):
    """The embedded store's writer: see stores.base.StoreWriter for what it promises."""

    def __init__(self, settings: StoreSettings) -> None:
        self._path = Path(settings.path)
        self._db = schema.open_writer(self._path, MIGRATIONS)
        # Upkeep takes the log over into the database between commits; this is for callers that do none.
        self._db.execute("PRAGMA wal_autocheckpoint = 8000")
        self._state = WriterState(self._db)
        self._upkeep = Upkeep(self._state, settings)
        self._ledger = Ledger(self._db)
        self._is_stale = False
        self._repeats: Counter[str] = Counter()
        self._last_noted = Entry()

    def _load(self) -> None:
        """Read everything anew after something failed, which has left memory ahead of the database."""
        self._state.load()
        self._ledger.load()
        self._upkeep.begin_again()
        self._is_stale = False

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable as a whole. Raises StoreUnavailable when nothing of it was stored."""
        touched: list[Buffer] = []
        new: list[Buffer] = []
        notes = self._state.notes
        notes.is_current = False
        self._repeats = Counter()
        try:
            if self._is_stale:
                self._load()
            result = self._place(batch.readings, touched, new)
            self._write(batch, touched, new)
        except BaseException as exc:
            self._is_stale = True
            self._forget(touched, new)
            if isinstance(exc, sqlite3.Error):
                raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc
            raise
        self._state.buffers.settle(touched, result.stored)
        if self._state.buffers.unsealed > 2 * UNSEALED_MAX:
            # Nobody does upkeep, or not often enough: memory comes first. The batch is durable whatever becomes of this.
            try:
                self._upkeep.seal_early()
            except sqlite3.Error:
                self._is_stale = True
        notes.is_current = True
        return result

    def _forget(self, touched: list[Buffer], new: list[Buffer]) -> None:
        for buffer in touched:
            buffer.drop()
        for buffer in new:
            self._state.buffers.remove(buffer)
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _place(self, readings: Readings, touched: list[Buffer], new: list[Buffer]) -> Committed:
        """Give each reading of a batch to its series' buffer, at the instant at which it is kept."""
        if not readings:
            return Committed(0, 0, 0)
        if not math.isfinite(sum(readings.value)):
            for series, _, value in readings:
                if not math.isfinite(value):
                    raise StoreUnavailable(f"cannot store {value} of {series}: it is not finite")
        late: list[tuple[int, int, int, float]] = []
        get = self._state.buffers.by_series.get
        for series, time_ns, value in zip(readings.series, readings.time_ns, readings.value, strict=True):
            buffer = get(series) or self._add_series(series, new)
            if time_ns > buffer.newest_ns:
                if not buffer.new_times:
                    touched.append(buffer)
                buffer.newest_ns = time_ns
                buffer.new_times.append(time_ns)
                buffer.new_values.append(value)
            else:
                late.append((buffer.id, len(late), time_ns, value))
        if not late:
            return Committed(len(readings), 0, 0)
        self._repeats, shifted = self._place_late(late, touched)
        repeated = self._repeats.total()
        return Committed(len(readings) - repeated, repeated, shifted)

    def _place_late(
        self, late: list[tuple[int, int, int, float]], touched: list[Buffer]
    ) -> tuple[Counter[str], int]:
        """Place the others, series by series, so that each block is unpacked once.

        Returns each device's number of repeated ones, and how many were shifted.
        """
        state = self._state
        collisions = Collisions(
            lambda series_id, time_ns: state.lookup.value_at(state.marks, series_id, time_ns)
        )
        repeats: Counter[str] = Counter()
        shifted = 0
        seen = {buffer.id for buffer in touched}
        for series_id, _, time_ns, value in sorted(late):
            buffer = state.buffers.by_id[series_id]
            kept_ns = collisions.place(buffer, time_ns, value)
            if kept_ns is None:
                repeats[buffer.series.device] += 1
                continue
            shifted += kept_ns != time_ns
            if series_id not in seen:
                seen.add(series_id)
                touched.append(buffer)
        return repeats, shifted

    def _add_series(self, series: Series, new: list[Buffer]) -> Buffer:
        series_id = max(self._state.buffers.by_id, default=0) + 1 if not new else new[-1].id + 1
        if series_id > SERIES_MAX:
            raise StoreUnavailable(f"cannot store {series}: there are {SERIES_MAX:,} series already")
        buffer = Buffer(series_id, series)
        self._state.buffers.add(buffer)
        new.append(buffer)
        return buffer

    def _write(self, batch: Batch, touched: list[Buffer], new: list[Buffer]) -> None:
        """Write a batch in one transaction: its entry, and only where there are any, new series, facts and dead letters."""
        entry = self._entry(batch, touched)
        needs_ledger = self._ledger.needs(batch, [buffer.series for buffer in new])
        has_events = bool(batch.events or batch.accounts)
        if entry is None and not needs_ledger and not has_events:
            return
        body = b"" if entry is None else encode(entry)
        self._db.execute("BEGIN IMMEDIATE")
        if new:
            self._db.executemany(
                "INSERT INTO series (id, device, metric, latest_ns, latest_value) VALUES (?, ?, ?, -1, 0)",
                [(buffer.id, *buffer.series) for buffer in new],
            )
        if needs_ledger:
            self._ledger.note(batch, [buffer.series for buffer in new])
        if has_events:
            events.write(self._db, batch.events, batch.accounts)
        number = self._state.journal.append(body) if entry is not None else 0
        pause_at("committing")
        self._db.execute("COMMIT")
        if entry is not None:
            newest_ns = max(entry.times_ns, default=-1)
            self._state.retained.note(number, newest_ns, len(batch.packet_ids), batch.begins_session)
            if batch.notes:
                self._state.notes.note(number)
        self._state.written_bytes += len(body) + 4_096

    def _entry(self, batch: Batch, touched: list[Buffer]) -> Entry | None:
        if not touched and not batch.packet_ids and not batch.begins_session and not batch.notes:
            return None
        touched.sort(key=_by_id)
        for buffer in touched:
            if buffer.placed:
                buffer.sort_new()
        return Entry(
            [buffer.id for buffer in touched],
            [len(buffer.new_times) for buffer in touched],
            array("q", [time_ns for buffer in touched for time_ns in buffer.new_times]),
            array("d", [value for buffer in touched for value in buffer.new_values]),
            batch.packet_ids,
            batch.digests,
            batch.begins_session,
            batch.notes,
        )

    def repeats(self) -> dict[str, int]:
        """Return of which devices the last commit's repeated readings were."""
        return self._repeats

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        with self._state.transaction():
            return self._state.receipts()

    def series(self) -> Collection[Series]:
        """Return every series that has ever had a reading."""
        return self._state.buffers.by_series.keys()

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Register who gives tracking's state; see stores.base.StoreWriter.keep."""
        self._state.notes.snapshot = snapshot

    def recall(self) -> tuple[bytes, list[bytes]]:
        """Return the last snapshot and the notes of every commit after it. Raises StoreUnavailable."""

        def decoded(body: bytes) -> Entry:
            entry = decode(body)
            if entry.notes:
                self._last_noted = entry
            return entry

        self._last_noted = Entry()
        with self._reading() as db:
            return recall(db, decoded)

    def kept(self) -> dict[str, int]:
        """Return how many readings of each device the last commit with notes stored: after `recall`."""
        kept: Counter[str] = Counter()
        for series_id, count in zip(self._last_noted.series_ids, self._last_noted.counts, strict=True):
            kept[self._state.buffers.by_id[series_id].series.device] += count
        return kept

    def accounts(self) -> list[Account]:
        """Return every device's account. Raises StoreUnavailable."""
        with self._reading() as db:
            return events.accounts(db)

    def open_events(self) -> list[Event]:
        """Return the events that go on. Raises StoreUnavailable."""
        with self._reading() as db:
            return events.open_events(db)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._db
        except sqlite3.Error as exc:
            raise StoreUnavailable(f"cannot read {self._path}: {exc}") from exc

    def maintain(self, now_ns: int) -> bool:
        """Do one step of upkeep. Raises StoreUnavailable; nothing is lost then, the step comes again."""
        try:
            if self._is_stale:
                self._load()
            return self._upkeep.step(now_ns)
        except sqlite3.Error as exc:
            self._is_stale = True
            raise StoreUnavailable(f"cannot write blocks to {self._path}: {exc}") from exc

    @property
    def waiting_windows(self) -> int:
        """How many series have readings that are not sealed."""
        return len(self._state.buffers.filled)

    def state(self) -> Counts:
        """Return counts for people. Raises StoreUnavailable."""
        try:
            if self._is_stale:
                self._load()
            counts = self._ledger.counts()
        except sqlite3.Error as exc:
            raise StoreUnavailable(f"cannot read {self._path}: {exc}") from exc
        buffers = self._state.buffers
        return Counts(counts["readings"] + buffers.unsealed, counts["dead_letters"], buffers.windows())

    def close(self) -> None:
        """Save tracking's state, so that the next start has less to read, and close the connection."""
        state = self._state
        try:
            if state.notes.is_due and not self._is_stale:
                with state.transaction():
                    state.notes.save(state.db, state.journal.newest)
        except sqlite3.Error as exc:
            # Its notes are still in the journal.
            log.warning("snapshot_not_saved", detail=str(exc))
        finally:
            self._db.close()
