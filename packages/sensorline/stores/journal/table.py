"""The journal's table: a ring of segments, each one large blob that entries are written into one after the other.

A row for each batch would be the plain way. But each new row, and each deleted one, changes SQLite's own pages beside it (the tree,
the list of free pages, the map of pages): five pages for a commit of 500 readings that fill one. Here a segment's
pages exist before, and a commit changes only those that it writes: that is what the life of an SD card depends on.

An entry is its number, its length, and checksums of both and of its body. Numbers go up by one and are never used again, so that
what an older round of the ring left behind an entry cannot be taken for the next one. A segment ends with a jump: the
entry with the next number is the first of another segment.
"""

import itertools
import re
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

TABLES = """
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    entries BLOB NOT NULL
);
"""

SEGMENT_BYTES = 256 * 1024
FREE_SEGMENTS_KEPT = 4
"""Segments beyond these that nobody needs any more are given back to the file."""

_HEAD = struct.Struct("<QII")
_SUM = struct.Struct("<I")
HEAD_BYTES = _HEAD.size + _SUM.size
_JUMP = 0xFFFFFFFF


class Numbered(NamedTuple):
    """An entry's body with its number."""

    number: int
    body: bytes


class _Segment(msgspec.Struct):
    id: int
    size: int
    first: int
    """The first entry's number; 0 while there is none."""


def _head(number: int, length: int, checksum: int) -> bytes:
    head = _HEAD.pack(number, length, checksum)
    return head + _SUM.pack(zlib.crc32(head))


def _parse(head: bytes) -> tuple[int, int, int] | None:
    """Return number, length and checksum, or None for what is no head."""
    if len(head) < HEAD_BYTES or zlib.crc32(head[: _HEAD.size]) != _SUM.unpack_from(head, _HEAD.size)[0]:
        return None
    number, length, checksum = _HEAD.unpack_from(head)
    return number, length, checksum


def _heads(blob: sqlite3.Blob, at: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield every head in a segment from a place on, with where it is, wherever that may be."""
    blob.seek(at)
    data = blob.read()
    # A number's upper bytes are zeros: a journal will not see 2^40 entries.
    for match in re.finditer(rb"(?s)(?=[^\x00].{4}\x00\x00\x00|\x00[^\x00].{3}\x00\x00\x00)", data):
        found = _parse(data[match.start() : match.start() + HEAD_BYTES])
        if found is not None:
            yield at + match.start(), found


def _segments(db: sqlite3.Connection) -> list[_Segment]:
    """Return all segments; those with entries last, in the order of their numbers."""
    out = []
    for segment_id, size in db.execute("SELECT id, length(entries) FROM journal").fetchall():
        with db.blobopen("journal", "entries", segment_id, readonly=True) as blob:
            head = blob.read(HEAD_BYTES)
            found = _parse(head)
            if found is None and any(head):
                # Its first head is damaged: what is behind it counts all the same.
                found = next((head for _, head in _heads(blob, 0)), None)
        out.append(_Segment(segment_id, size, found[0] if found else 0))
    out.sort(key=lambda segment: segment.first)
    return out


class Cursor:
    """Reads entries in order and remembers where it was. Call it inside a transaction: the ring is turned meanwhile."""

    def __init__(self, db: sqlite3.Connection, after: int = 0, *, thorough: bool = False) -> None:
        self._db = db
        self._thorough = thorough
        """Search behind what cannot be read: where an entry's head is damaged, nothing says where the next one begins."""
        self.number = after
        """The newest entry that was read, or the one after which to begin."""
        self.missing: list[tuple[int, int]] = []
        """Ranges of entries, first and last, that were not there or had a wrong checksum, since `number` was set."""
        self.turned_over: list[tuple[int, int]] = []
        """Those of `missing` that end where a segment begins: no damage, where nobody needs them, since the ring turns."""
        self.segment = 0
        """The segment of the newest entry; 0 before the first."""
        self.at = 0
        """Where the newest entry of the segment ends."""
        self._expected = 0
        self._has_jumped = False

    def read(self) -> Iterator[Numbered]:
        """Yield the entries that have come since."""
        if self.segment and self._was_overtaken():
            self.segment = 0
        if not self.segment and not self._go_on():
            return
        yield from self._read_segment()
        # Without a jump at its end, the segment is the newest one.
        while (self._has_jumped or self._thorough) and self._go_on():
            yield from self._read_segment()

    def _was_overtaken(self) -> bool:
        """Tell whether the ring was turned past this place, or the segment given back."""
        try:
            with self._db.blobopen("journal", "entries", self.segment, readonly=True) as blob:
                found = _parse(blob.read(HEAD_BYTES))
        except sqlite3.OperationalError:
            return True
        return found is None or found[0] > self.number

    def _go_on(self) -> bool:
        """Go to the segment that has the next entry, or else the oldest later one; False when there is none."""
        wanted = self.number + 1
        filled = [segment for segment in _segments(self._db) if segment.first]
        holding = [segment for segment in filled if segment.first <= wanted] if not self.segment else []
        later = [segment for segment in filled if segment.first >= wanted]
        if not holding and not later:
            return False
        segment = holding[-1] if holding else later[0]
        self.segment, self.at, self._expected = segment.id, 0, segment.first
        return True

    def _read_segment(self) -> list[Numbered]:
        """Return the segment's further entries. A jump leads to the next segment, as its end does."""
        out: list[Numbered] = []
        self._has_jumped = False
        with self._db.blobopen("journal", "entries", self.segment, readonly=True) as blob:
            while True:
                blob.seek(self.at)
                found = _parse(blob.read(HEAD_BYTES))
                if found is None or found[0] != self._expected:
                    found = self._search(blob) if self._thorough else None
                if found is None:
                    return out
                if found[1] == _JUMP:
                    self._has_jumped = True
                    return out
                number, length, checksum = found
                self._expected = number + 1
                self.at += HEAD_BYTES + length
                if number <= self.number:
                    continue
                if number > self.number + 1:
                    self.missing.append((self.number + 1, number - 1))
                    if self.at == HEAD_BYTES + length:
                        self.turned_over.append(self.missing[-1])
                self.number = number
                body = blob.read(length)
                if zlib.crc32(body) == checksum:
                    out.append(Numbered(number, body))
                else:
                    self.missing.append((number, number))

    def _search(self, blob: sqlite3.Blob) -> tuple[int, int, int] | None:
        """Go to the next head behind this place that is newer than what was read, and return it, or None."""
        for at, head in _heads(blob, self.at):
            # What older rounds of the ring left has smaller numbers.
            if head[0] > self.number:
                self.at = at
                blob.seek(at + HEAD_BYTES)
                return head
        return None


class Journal:
    """Appends entries, inside the caller's transactions. One writer has it.

    After a rollback, and after anything that failed, call `load()`: memory may be ahead of the database.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._free_up_to = 0
        self.load()

    def load(self) -> None:
        """Find the newest entry and its end."""
        self._ring = _segments(self._db)
        filled = [segment for segment in self._ring if segment.first]
        self.newest = 0
        """The newest entry's number; 0 before the first."""
        self._current: _Segment | None = None
        self._at = 0
        if filled:
            self._current = filled[-1]
            cursor = Cursor(self._db, self._current.first - 1, thorough=True)
            for entry in cursor.read():
                self.newest = entry.number
            self.newest, self._at = cursor.number, cursor.at

    def append(self, body: bytes) -> int:
        """Write an entry and return its number, one more than the last one's. Raises sqlite3.Error."""
        number = self.newest + 1
        need = HEAD_BYTES + len(body)
        segment = self._current
        if segment is None or self._at + need + HEAD_BYTES > segment.size:
            segment = self._turn(number, need + HEAD_BYTES)
        with self._db.blobopen("journal", "entries", segment.id) as blob:
            blob.seek(self._at)
            blob.write(_head(number, len(body), zlib.crc32(body)) + body)
        if not self._at:
            segment.first = number
        self._at += need
        self.newest = number
        return number

    def _turn(self, number: int, need: int) -> _Segment:
        """Return a segment with room for what is needed: the oldest free one, or a new one."""
        if self._current is not None:
            with self._db.blobopen("journal", "entries", self._current.id) as blob:
                blob.seek(self._at)
                blob.write(_head(number, _JUMP, 0))
        segment = next((s for s in self._free() if s.size >= need), None)
        if segment is None:
            size = max(SEGMENT_BYTES, need)
            cursor = self._db.execute("INSERT INTO journal (entries) VALUES (zeroblob(?))", (size,))
            segment = _Segment(int(cursor.lastrowid or 0), size, 0)
        else:
            self._ring.remove(segment)
        self._ring.append(segment)
        self._current, self._at = segment, 0
        return segment

    def _free(self) -> list[_Segment]:
        """Return the segments of which nobody needs an entry, the oldest first."""
        out = [segment for segment in self._ring if not segment.first]
        filled = [segment for segment in self._ring if segment.first]
        # A segment's last entry is the one before the next segment's first; the newest segment is always in use.
        for segment, following in itertools.pairwise(filled):
            if following.first - 1 > self._free_up_to:
                break
            out.append(segment)
        return out

    def trim(self, number: int) -> None:
        """Let the entries up to `number` be overwritten. It is not written down: a restart keeps them until told again."""
        self._free_up_to = max(self._free_up_to, number)

    def oldest(self) -> int:
        """Return the number of the oldest entry that is still needed, or of the next one to come."""
        return min(self._free_up_to, self.newest) + 1

    def first_of_segment(self, number: int) -> int:
        """Return the first entry of the segment that holds `number`, or of the oldest one."""
        firsts = [s.first for s in self._ring if s.first and s.first <= number]
        return max(firsts, default=number)

    def shrink(self) -> int:
        """Give free segments that are too many back to the file; returns how many. Raises sqlite3.Error."""
        spare = self._free()[: -FREE_SEGMENTS_KEPT or None]
        for segment in spare:
            self._db.execute("DELETE FROM journal WHERE id = ?", (segment.id,))
            self._ring.remove(segment)
        return len(spare)
