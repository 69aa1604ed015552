"""What the parts of one writer share: the connection, the journal, what is in memory of it, and how far everything is."""

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from sensorline.reading import Receipt, Series
from sensorline.stores.base import RECEIPTS_KEPT
from sensorline.stores.journal import Cursor, Entry, Journal, Notes, decode, encode
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.buffers import Buffer, Buffers
from sensorline.stores.sqlite.marks import Marks
from sensorline.stores.sqlite.sealed import SealedLookup

log = structlog.get_logger()

ENTRIES_FOR_RECEIPTS = 8_192
"""Sealed entries that stay in the journal for their receipts only; beyond, the receipts are written once more, together."""


class Retained:
    """For each entry that the journal still has to keep: the time of its newest reading, and its number of receipts."""

    def __init__(self, first: int) -> None:
        self.first = first
        """The number of the first entry that is noted here."""
        self._newest_ns = array("q")
        self._receipts = array("I")
        self._receipts_from = 0

    def note(self, number: int, newest_ns: int, receipts: int, begins_session: bool) -> None:
        """Take up an entry. Numbers that were left out were damaged: there is nothing in them."""
        while self.first + len(self._newest_ns) < number:
            self._newest_ns.append(-1)
            self._receipts.append(0)
        self._newest_ns.append(newest_ns)
        self._receipts.append(receipts)
        if begins_session:
            self._receipts_from = number

    def __len__(self) -> int:
        return len(self._newest_ns)

    def sealed_up_to(self, sealed_to: int, entry: int, before_ns: int) -> int:
        """Return up to which entry everything is sealed, if of the entries up to `entry` everything before a time is.

        What the entries up to `sealed_to` hold is.
        """
        i, behind = max(sealed_to - self.first + 1, 0), min(entry - self.first + 1, len(self._newest_ns))
        while i < behind and self._newest_ns[i] < before_ns:
            i += 1
        return self.first + i - 1

    def needed_for_receipts(self) -> int:
        """Return the first entry that holds one of the newest receipts."""
        total, i = 0, len(self._receipts)
        while i > 0 and total < RECEIPTS_KEPT and self.first + i > self._receipts_from:
            i -= 1
            total += self._receipts[i]
        return self.first + i

    def forget_before(self, number: int) -> None:
        """The entries before `number` are needed no more."""
        count = min(max(number - self.first, 0), len(self._newest_ns))
        del self._newest_ns[:count]
        del self._receipts[:count]
        self.first += count


class WriterState:
    """Belongs to one writer. After anything that failed inside a transaction, `load` it anew."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.notes = Notes()
        self.load()

    def load(self) -> None:
        """Read everything from the database: series, marks, and what the journal holds unsealed."""
        self.marks: Marks = marks_.load(self.db)
        self.lookup = SealedLookup(self.db)
        self.buffers = Buffers()
        self.journal = Journal(self.db)
        self.written_bytes = 0
        """About how much went into the write-ahead log since it was last taken over into the database."""
        for series_id, device, metric, latest_ns, value, sealed_entry, sealed_ns in self.db.execute(
            "SELECT id, device, metric, latest_ns, latest_value, sealed_entry, sealed_ns FROM series"
        ):
            buffer = Buffer(series_id, Series(device, metric))
            buffer.newest_ns = buffer.sealed_newest_ns = latest_ns
            buffer.sealed_value, buffer.sealed_entry, buffer.sealed_ns = value, sealed_entry, sealed_ns
            self.buffers.add(buffer)
        self.retained = Retained(1)
        self.notes.load(self.db)
        cursor = Cursor(self.db, thorough=True)
        for number, body in cursor.read():
            self._replay(number, decode(body))
        lost = [(first, last) for first, last in cursor.missing if last > self.marks.sealed_to]
        if lost:
            log.error(
                "journal_damaged",
                entries=lost,
                detail="entries of the journal have wrong checksums; their readings are lost",
            )

    def _replay(self, number: int, entry: Entry) -> None:
        if not self.retained:
            self.retained.first = number
        newest_ns = max(entry.times_ns, default=-1)
        self.retained.note(number, newest_ns, len(entry.packet_ids), entry.begins_session)
        if entry.notes:
            self.notes.note(number)
        if number > self.marks.sealed_to:
            self.buffers.replay(number, entry)

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        out: list[Receipt] = []
        for _, body in Cursor(self.db).read():
            entry = decode(body)
            if entry.begins_session:
                out.clear()
            out += map(Receipt, entry.packet_ids, entry.digests)
        return out[-RECEIPTS_KEPT:]

    def trim(self) -> None:
        """Let the journal overwrite what is sealed, but the newest receipts, and notes that no snapshot covers."""
        first = min(self.marks.sealed_to + 1, self.retained.needed_for_receipts(), self.notes.needed_from)
        self.journal.trim(first - 1)
        self.retained.forget_before(first)

    def gather_receipts(self) -> None:
        """If many entries are kept for few receipts, append those together. Inside the caller's transaction."""
        if self.marks.sealed_to - self.retained.needed_for_receipts() <= ENTRIES_FOR_RECEIPTS:
            return
        receipts = self.receipts()
        number = self.journal.append(
            encode(
                Entry(
                    packet_ids=[receipt.packet_id for receipt in receipts],
                    digests=[receipt.digest for receipt in receipts],
                    begins_session=True,
                )
            )
        )
        self.retained.note(number, -1, len(receipts), True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or none of it; then `load` is due, since memory may be ahead."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise
