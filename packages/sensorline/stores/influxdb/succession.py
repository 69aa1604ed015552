"""INFLUXDB_V2_BUCKET was changed: what was committed before goes to the bucket before, and what is committed from then on to the new one.

The local file is about one bucket at a time. A change is written down with the number of the newest entry at that start, and happens when
the entries up to it are delivered. While they are not, there may be further changes: each has its place among the entries.
"""

import sqlite3
from collections import deque
from typing import NamedTuple

import structlog

from sensorline.stores.influxdb import local
from sensorline.stores.influxdb.known import Registry
from sensorline.stores.influxdb.local import LocalFile

log = structlog.get_logger()

NO_END = 2**63 - 1


class Change(NamedTuple):
    """Entries with a number above `after` are for another bucket."""

    after: int
    bucket: str


class Succession:
    """The bucket that the local file is about, and those that follow. The forwarder changes it, with the file's lock held."""

    def __init__(self, file: LocalFile, configured: str, newest: int) -> None:
        """Entries above `newest` are for the bucket `configured`. Raises StoreUnavailable."""
        self._file = file
        with file.transaction() as db:
            self.bucket = local.bucket_of(db, configured)
            rows = db.execute("SELECT after, name FROM bucket_change ORDER BY after")
            self._changes = deque(Change(*row) for row in rows)
            self._drop_empty(db, configured, newest)
            if self._changes and self._changes[-1].bucket == configured:
                return
            if self._changes or self.bucket != configured:
                change = Change(newest, configured)
                db.execute("INSERT INTO bucket_change (after, name) VALUES (?, ?)", change)
                self._changes.append(change)

    def _drop_empty(self, db: sqlite3.Connection, configured: str, newest: int) -> None:
        """Drop the last change if nothing was committed since; devices that it was to be told of are told to `configured`."""
        if not self._changes or self._changes[-1].after < newest:
            return
        last = self._changes.pop()
        db.execute("DELETE FROM bucket_change WHERE after = ?", (last.after,))
        if last.bucket not in {self.bucket, *(change.bucket for change in self._changes)}:
            db.execute(
                "UPDATE OR REPLACE device_to_tell SET bucket = ? WHERE bucket = ?", (configured, last.bucket)
            )

    @property
    def is_pending(self) -> bool:
        """True while there is a change to come."""
        return bool(self._changes)

    @property
    def until(self) -> int:
        """The number of the newest entry that can be for this bucket."""
        return self._changes[0].after if self._changes else NO_END

    def tell(self, readings: int) -> None:
        """Say what is going to happen, and how many readings wait for it."""
        if not self._changes:
            return
        before = self._changes[-2].bucket if len(self._changes) > 1 else self.bucket
        log.warning(
            "bucket_changed",
            before=before,
            now=self._changes[-1].bucket,
            readings_pending=readings,
            detail="first what is pending goes to the bucket before, with the token of now",
        )

    def turn(self, registry: Registry) -> None:
        """Turn to the next bucket, when everything for this one is delivered and saved. Raises StoreUnavailable; then it did not happen.

        What is known of this one (series, borders, what to roll up) is not true of the next. Of series, those remain of which there are
        readings among the entries that follow, as series without any.
        """
        change = self._changes[0]
        with self._file.lock:
            gone = [known for known in registry.by_id.values() if known.committed_number <= change.after]
            with self._file.transaction() as db:
                local.change_bucket(db, change.bucket, [known.id for known in gone])
                db.execute("DELETE FROM bucket_change WHERE after = ?", (change.after,))
            registry.remove(gone)
            for known in registry.by_id.values():
                known.forget()
            self._changes.popleft()
            self.bucket = change.bucket
