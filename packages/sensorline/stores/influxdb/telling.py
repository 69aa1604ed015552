"""Events and accounts on their way to InfluxDB: each one's newest line waits in the local file until its bucket has it.

A line replaces the one before it of the same event or device, here and there. So while InfluxDB is away, what waits is bounded by how
many events and devices there are.
"""

import sqlite3
from typing import NamedTuple

from sensorline.reading import Batch
from sensorline.stores.influxdb import points
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.sqlite import events

LINES_PER_SHIPMENT = 1_000


class Taken(NamedTuple):
    """Lines to send, and the number of the last one; without lines, the number of what was taken before."""

    lines: list[bytes]
    number: int


class Telling:
    """What waits for a bucket. `write` and `forget` work inside the caller's transaction; call `wrote` after it, with the lock held."""

    def __init__(self, file: LocalFile, bucket: str) -> None:
        """From now on, what is written is for `bucket`."""
        self._file = file
        self._bucket = bucket
        self.begin()

    def begin(self) -> None:
        """Take everything that waits from the beginning: at a start, and for another bucket."""
        self.has_news = bool(self._file.rows("SELECT 1 FROM state_to_tell LIMIT 1"))
        """True when there may be lines that the bucket does not have."""
        self._told = self._saved = 0

    def write(self, db: sqlite3.Connection, batch: Batch) -> None:
        """Write a batch's events and accounts, and that InfluxDB is to be told."""
        events.write(db, batch.events, batch.accounts)
        lines = {f"event {event.id}": points.event_line(event) for event in batch.events}
        lines |= {f"account {a.device}": points.account_line(a) for a in batch.accounts}
        self._note(db, lines)

    def forget(self, db: sqlite3.Connection, before_ns: int) -> bool:
        """Delete the events that ended before a time, and note that InfluxDB is to; True if there were any."""
        gone = events.forget(db, before_ns)
        self._note(
            db, {f"event {event_id}": points.event_gone_line(event_id, device) for event_id, device in gone}
        )
        return bool(gone)

    def _note(self, db: sqlite3.Connection, lines: dict[str, bytes]) -> None:
        # Each gets a number that is higher than all before it: so what is told is known by one number.
        db.executemany(
            "INSERT OR REPLACE INTO state_to_tell (bucket, key, line) VALUES (?, ?, ?)",
            [(self._bucket, key, line) for key, line in lines.items()],
        )

    def wrote(self) -> None:
        """The transaction has succeeded."""
        self.has_news = True

    def take(self, bucket: str) -> Taken:
        """Return some of what a bucket has still to be told. For the forwarder, which calls `delivered` before it takes more."""
        if not self.has_news:
            return Taken([], self._told)
        with self._file.lock:
            rows = self._file.rows(
                "SELECT id, line FROM state_to_tell WHERE bucket = ? AND id > ? ORDER BY id LIMIT ?",
                (bucket, self._told, LINES_PER_SHIPMENT),
            )
            self.has_news = bool(rows)
        return Taken([line for _, line in rows], rows[-1][0] if rows else self._told)

    def delivered(self, number: int) -> None:
        """A bucket has all lines up to a number."""
        self._told = max(self._told, number)

    @property
    def is_unsaved(self) -> bool:
        """True when a bucket has lines that still wait in the file."""
        return self._told > self._saved

    def save(self, db: sqlite3.Connection, bucket: str) -> int:
        """Delete what the bucket has; return the number for `saved`."""
        if self.is_unsaved:
            db.execute("DELETE FROM state_to_tell WHERE bucket = ? AND id <= ?", (bucket, self._told))
        return self._told

    def saved(self, number: int) -> None:
        """The transaction has succeeded."""
        self._saved = number
