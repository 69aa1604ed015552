"""What tracking keeps with its commits: notes in entries, and from time to time a snapshot that takes the place of those before it.

An entry with notes stays in the ring until a snapshot that is durable covers it. So the last snapshot and the notes of the entries
that follow it are tracking's state as of the last commit, whenever the process was killed.
"""

import sqlite3
from collections.abc import Callable, Iterator

from sensorline.stores.journal.codec import Entry
from sensorline.stores.journal.table import Cursor

SNAPSHOT_TABLE = """
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entry INTEGER NOT NULL,
    state BLOB NOT NULL
);
"""
"""One row at most: tracking's whole state when `entry` was the newest one."""

_NOTHING = 2**63 - 1


class Notes:
    """Belongs to one writer: which entries are still needed for their notes, and who gives the snapshot."""

    def __init__(self) -> None:
        self.snapshot: Callable[[], bytes] | None = None
        """Gives tracking's state as of the last commit. While there is none, notes hold nothing in the ring."""
        self.is_current = True
        """False from the begin of a commit until one has succeeded: what a snapshot says is not what is committed then."""
        self._covered = self._first = 0

    def load(self, db: sqlite3.Connection) -> None:
        """Read up to where the stored snapshot goes. Then `note` the entries with notes, in order."""
        self._covered, self._first = _stored(db)[0], 0

    def note(self, number: int) -> None:
        """An entry with notes is durable."""
        if number > self._covered and not self._first:
            self._first = number

    @property
    def is_held(self) -> bool:
        """True when there are notes that no snapshot covers."""
        return self._first > 0

    @property
    def is_due(self) -> bool:
        """True when a snapshot can be had now, and would let go of an entry."""
        return self.snapshot is not None and self._first > 0 and self.is_current

    @property
    def needed_from(self) -> int:
        """The first entry that is needed for its notes; a number above all entries when none is."""
        return self._first if self.snapshot is not None and self._first else _NOTHING

    def save(self, db: sqlite3.Connection, newest: int) -> None:
        """Write a snapshot, which is due, inside the caller's transaction. After it has succeeded, call `saved`."""
        assert self.snapshot is not None
        db.execute("INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?)", (newest, self.snapshot()))

    def saved(self, newest: int) -> None:
        """The entries up to `newest` are needed no more."""
        self._covered, self._first = newest, 0


def recall(db: sqlite3.Connection, decode: Callable[[bytes], Entry]) -> tuple[bytes, list[bytes]]:
    """Return the stored snapshot, empty if there is none, and the notes of all entries after it, oldest first.

    Inside the caller's transaction; `decode` gives the entry of a body.
    """
    covered, state = _stored(db)
    return state, list(_notes(db, covered, decode))


def _stored(db: sqlite3.Connection) -> tuple[int, bytes]:
    row: tuple[int, bytes] | None = db.execute("SELECT entry, state FROM snapshot").fetchone()
    return row or (0, b"")


def _notes(db: sqlite3.Connection, after: int, decode: Callable[[bytes], Entry]) -> Iterator[bytes]:
    for _, body in Cursor(db, after, thorough=True).read():
        if notes := decode(body).notes:
            yield notes
