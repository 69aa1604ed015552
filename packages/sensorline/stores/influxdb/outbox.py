"""Committed batches on their way to InfluxDB: entries of the journal, in order, in memory as long as they are few.

The committing thread appends, the forwarder takes. Entries that InfluxDB has stay in the journal's ring while their receipts are
among those that a broker may still need; the ring turns over them later.
"""

import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.reading import Receipt
from sensorline.stores.base import RECEIPTS_KEPT
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.influxdb.newest import NewestWaiting
from sensorline.stores.journal import Cursor, Entry, Journal, Notes, decode, encode, recall
from sensorline.stores.journal.table import HEAD_BYTES, Numbered

log = structlog.get_logger()

_STAMP = struct.Struct("<QI")
"""Before an entry's body: when it was committed, in epoch milliseconds, and how many of its readings were left undecided."""

FRESH_ENTRIES, FRESH_READINGS = 64, 20_000
"""What is handed over in memory at most. Beyond it the forwarder reads the journal."""

RECEIPTS_PER_CHUNK = 1_024

LONG_READINGS = 5_000
"""So many readings wait longer than for the next request."""

ALARM, ALARM_OVER = 0.8, 0.7
"""How full the journal is when people are told, and when that has passed."""


class Item(NamedTuple):
    """An entry, and how many bytes of the journal it takes."""

    number: int
    committed_ms: int
    undecided: int
    entry: Entry
    size: int


def pack(entry: Entry, undecided: int) -> bytes:
    """Return an entry as the journal keeps it, committed now. Raises OverflowError for a number that has no room."""
    return _STAMP.pack(time.time_ns() // 10**6, undecided) + encode(entry)


def _unpack(number: int, body: bytes, entry: Entry | None = None) -> Item:
    entry = entry or decode(body[_STAMP.size :])
    committed_ms, undecided = _STAMP.unpack_from(body)
    return Item(number, committed_ms, undecided, entry, HEAD_BYTES + len(body))


class Outbox:
    """Appends inside the caller's transaction; everything else is safe in any thread."""

    def __init__(self, file: LocalFile, delivered: int, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self.condition = threading.Condition()
        """Notified when something was appended."""
        self.readings = self.bytes = 0
        """What waits."""
        self.oldest_ms: int | None = None
        """When the oldest of it was committed, or the entry before, in epoch milliseconds; None when nothing waits."""
        self.delivered = delivered
        """The newest entry that InfluxDB has."""
        self._fresh: deque[Item] = deque()
        self._fresh_readings = 0
        self._chunks: deque[tuple[int, int]] = deque()
        self._receipts = 0
        self._is_alarmed = False
        self.newest_waiting = NewestWaiting()
        """Of readings behind the first LONG_READINGS."""
        with file.reading() as db:
            self._journal = Journal(db)
            self._cursor = Cursor(db, delivered)
        self._read: deque[Numbered] = deque()
        self.newest = self._journal.newest
        self.notes = Notes()
        self.noted_bytes = 0
        """How many bytes of entries have come since the first one that is needed for its notes."""

    def scan(self) -> Iterator[Item]:
        """Yield every entry that waits, at a start: it makes the counts right."""
        with self._file.reading() as db:
            self.notes.load(db)
            cursor = Cursor(db, thorough=True)
            for number, body in cursor.read():
                item = _unpack(number, body)
                self._note_receipts(item)
                self._note_notes(item)
                if number > self.delivered:
                    self._note_newest(item)
                    self.oldest_ms = item.committed_ms if self.oldest_ms is None else self.oldest_ms
                    self.readings += len(item.entry.values)
                    self.bytes += item.size
                    yield item
        self._tell_missing(cursor)

    def _note_receipts(self, item: Item) -> None:
        if item.entry.begins_session:
            self._chunks.clear()
            self._receipts = 0
        count = len(item.entry.packet_ids)
        if not count:
            return
        if self._chunks and self._chunks[-1][1] < RECEIPTS_PER_CHUNK:
            first, before = self._chunks[-1]
            self._chunks[-1] = (first, before + count)
        else:
            self._chunks.append((item.number, count))
        self._receipts += count
        while self._receipts - self._chunks[0][1] >= RECEIPTS_KEPT:
            self._receipts -= self._chunks.popleft()[1]

    def _note_newest(self, item: Item) -> None:
        if self.is_long:
            self.newest_waiting.note(item.entry)

    @property
    def is_long(self) -> bool:
        """True while the newest readings have to wait for others, request after request."""
        return self.readings > LONG_READINGS

    def _note_notes(self, item: Item) -> None:
        if item.entry.notes:
            self.notes.note(item.number)
        if self.notes.is_held:
            self.noted_bytes += item.size

    def recall(self) -> tuple[bytes, list[bytes]]:
        """Return the last snapshot of tracking's state, and the notes of the entries after it."""
        with self._file.reading() as db:
            return recall(db, lambda body: decode(body[_STAMP.size :]))

    def save_snapshot(self) -> None:
        """Save a snapshot, if one is due, so that the ring may turn over the notes before it. Raises StoreUnavailable."""
        with self._file.lock:
            if self.notes.is_due:
                with self._file.transaction() as db:
                    self.notes.save(db, self.newest)
                self.notes.saved(self.newest)
                self.noted_bytes = 0

    def check_room(self, size: int) -> None:
        """Raise StoreUnavailable if the journal has no room for a body of a size; tell people before that happens."""
        share = (self.bytes + size) / self._max_bytes
        if self._is_alarmed != (share >= (ALARM_OVER if self._is_alarmed else ALARM)):
            self._is_alarmed = not self._is_alarmed
            if self._is_alarmed:
                log.error("journal_nearly_full", readings=self.readings, share=round(share, 2))
            else:
                log.info("journal_has_room_again", readings=self.readings)
        if share >= 1 and self.bytes:
            raise StoreUnavailable(
                f"{self.readings:,} readings wait for InfluxDB, and the journal {self._file.path} is full"
                " (STORE_JOURNAL_MAX_MB)"
            )

    @property
    def fullness(self) -> float:
        """How much of what the journal may hold waits: 0 … 1."""
        return min(self.bytes / self._max_bytes, 1.0)

    def append(self, body: bytes) -> int:
        """Write a packed entry, inside a transaction; return its number. After a rollback call `rolled_back`."""
        return self._journal.append(body)

    def rolled_back(self) -> None:
        """What was appended is not there."""
        with self._file.reading():
            self._journal.load()

    def appended(self, number: int, entry: Entry, body: bytes) -> None:
        """The transaction has succeeded: hand the entry over."""
        item = _unpack(number, body, entry)
        self._note_receipts(item)
        self._note_newest(item)
        self._note_notes(item)
        with self.condition:
            self.newest = number
            self.oldest_ms = item.committed_ms if self.oldest_ms is None else self.oldest_ms
            self.readings += len(entry.values)
            self.bytes += item.size
            self._fresh.append(item)
            self._fresh_readings += len(entry.values)
            if len(self._fresh) > FRESH_ENTRIES or self._fresh_readings > FRESH_READINGS:
                self._fresh.clear()
                self._fresh_readings = 0
            self.condition.notify_all()

    def take(self, after: int) -> Item | None:
        """Return the entry that follows the number `after`, or None when there is none yet. For the forwarder."""
        with self.condition:
            while self._fresh and self._fresh[0].number <= after + 1:
                item = self._fresh.popleft()
                self._fresh_readings -= len(item.entry.values)
                if item.number == after + 1:
                    return item
            if after >= self.newest:
                return None
        return self._read_next(after)

    def _read_next(self, after: int) -> Item | None:
        while self._read and self._read[0].number <= after:
            self._read.popleft()
        if not self._read:
            self._read_segment(after)
        return _unpack(*self._read.popleft()) if self._read else None

    def _read_segment(self, after: int) -> None:
        """Read entries that follow a number, as many as one segment has: whoever reads on must not let go of the lock."""
        with self._file.reading() as db:
            if self._cursor.number != after:
                # Others were handed over in memory meanwhile.
                self._cursor = Cursor(db, after)
            self._fill()
            if not self._read:
                # There is one: its place, or that of one before it, cannot be read.
                self._cursor = Cursor(db, after, thorough=True)
                self._fill()
        if not self._read:
            log.error("journal_entries_damaged", entries=[(after + 1, self.newest)])
            with self.condition:
                self.delivered = max(self.delivered, self.newest)
                self._forget_what_waited()

    def _fill(self) -> None:
        for entry in self._cursor.read():
            self._read.append(entry)
            if entry.number == self._cursor.number:
                break
        if self._read:
            self._tell_missing(self._cursor)

    @staticmethod
    def _tell_missing(cursor: Cursor) -> None:
        if cursor.missing:
            log.error("journal_entries_damaged", entries=cursor.missing)
            cursor.missing.clear()

    def has_delivered(self, items: Sequence[Item]) -> None:
        """InfluxDB has entries, the last of which is the newest one."""
        with self.condition:
            self.delivered = max(self.delivered, items[-1].number)
            self.readings -= sum(len(item.entry.values) for item in items)
            self.bytes -= sum(item.size for item in items)
            self.oldest_ms = items[-1].committed_ms
            if self.delivered >= self.newest:
                self._forget_what_waited()

    def _forget_what_waited(self) -> None:
        self.readings = self.bytes = 0
        self.oldest_ms = None

    def trim(self, delivered: int) -> None:
        """Let the ring turn over entries up to `delivered`, as it is noted in the file; inside a transaction."""
        keep_from = self._chunks[0][0] if self._chunks else delivered + 1
        self._journal.trim(min(delivered, keep_from - 1, self.notes.needed_from - 1))
        self._journal.shrink()

    def wake(self) -> None:
        """Something other than an entry was committed."""
        with self.condition:
            self.condition.notify_all()

    def receipts(self) -> tuple[list[Receipt], bool]:
        """Return the receipts in the journal, oldest first, and whether those before them mean nothing any more."""
        out: list[Receipt] = []
        begins_session = False
        with self._file.reading() as db:
            keep_from = self._chunks[0][0] if self._chunks else self.newest + 1
            for _, body in Cursor(db, keep_from - 1, thorough=True).read():
                entry = decode(body[_STAMP.size :])
                if entry.begins_session:
                    out.clear()
                    begins_session = True
                out += map(Receipt, entry.packet_ids, entry.digests)
        return out, begins_session
