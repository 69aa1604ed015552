"""Devices, dead letters and counts, in the local file. Every method works inside the caller's transaction."""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from sensorline.reading import Batch, DeadLetter, DeviceFacts, Receipt
from sensorline.stores.facts import merge_facts
from sensorline.stores.influxdb.local import LocalFile

_RECEIPT_BYTES = 10


class Ledger:
    """What is known of devices; what was rejected; how many."""

    def __init__(self, file: LocalFile, bucket: str) -> None:
        """From now on, what is said of devices is to be told to `bucket`."""
        self._file = file
        self._bucket = bucket
        self._facts: dict[str, DeviceFacts] = {
            name: msgspec.msgpack.decode(facts, type=DeviceFacts)
            for name, facts in file.rows("SELECT name, facts FROM device")
        }
        self._to_tell: set[tuple[str, str]] = set(file.rows("SELECT bucket, name FROM device_to_tell"))
        self.has_old_receipts = bool(file.rows("SELECT 1 FROM receipts LIMIT 1"))

    def facts_of(self, device: str) -> DeviceFacts:
        """Return what is known of a device."""
        return self._facts.get(device, DeviceFacts(device))

    def changed_facts(self, batch: Batch) -> dict[str, DeviceFacts]:
        """Return what will be known of each device of which a batch says something new."""
        changed: dict[str, DeviceFacts] = {}
        for news in batch.facts:
            device = news.device
            before = changed.get(device) or self.facts_of(device)
            after = merge_facts(before, news)
            if after != before or device not in self._facts:
                changed[device] = after
        return changed

    def write_facts(self, db: sqlite3.Connection, changed: dict[str, DeviceFacts]) -> None:
        """Write it, and that InfluxDB is to be told."""
        db.executemany(
            "INSERT INTO device VALUES (?, NULL, ?) ON CONFLICT (name) DO UPDATE SET facts = excluded.facts",
            [(name, msgspec.msgpack.encode(facts)) for name, facts in changed.items()],
        )
        db.executemany(
            "INSERT OR IGNORE INTO device_to_tell VALUES (?, ?)",
            [(self._bucket, device) for device in changed],
        )

    def wrote_facts(self, changed: dict[str, DeviceFacts]) -> None:
        """The transaction has succeeded. To be called before the file's lock is given up."""
        self._facts.update(changed)
        self._to_tell.update((self._bucket, device) for device in changed)

    @property
    def has_devices_to_tell(self) -> bool:
        """True when InfluxDB does not have the newest facts of a device."""
        return bool(self._to_tell)

    def take_devices_to_tell(self, bucket: str) -> set[str]:
        """Return the devices of which a bucket is to be told; they are no longer in the list, but in the table until `told`."""
        with self._file.lock:
            taken = {device for where, device in self._to_tell if where == bucket}
            self._to_tell.difference_update([(bucket, device) for device in taken])
        return taken

    @staticmethod
    def write_dead_letters(db: sqlite3.Connection, dead_letters: Sequence[DeadLetter]) -> None:
        """Keep rejected messages, and count them."""
        db.executemany(
            "INSERT INTO dead_letter (topic, payload, reason, detail, received_ns) VALUES (?, ?, ?, ?, ?)",
            [(d.topic, d.payload, d.reason, d.detail, d.received_ns) for d in dead_letters],
        )
        db.execute("UPDATE counter SET n = n + ? WHERE name = 'dead_letters'", (len(dead_letters),))

    @staticmethod
    def count(db: sqlite3.Connection, stored: int) -> None:
        """Count readings."""
        db.execute("UPDATE counter SET n = n + ? WHERE name = 'readings'", (stored,))

    def told(self, db: sqlite3.Connection, bucket: str, devices: Iterable[str]) -> None:
        """A bucket has the devices' facts, but for those that have changed since."""
        told = {(bucket, device) for device in devices} - self._to_tell
        db.executemany("DELETE FROM device_to_tell WHERE bucket = ? AND name = ?", sorted(told))

    def old_receipts(self) -> list[Receipt]:
        """Return the receipts that a version without a journal has left, oldest first."""
        out = []
        for (packed,) in self._file.rows("SELECT packed FROM receipts ORDER BY id"):
            for i in range(0, len(packed), _RECEIPT_BYTES):
                packet_id = int.from_bytes(packed[i : i + 2], "big")
                out.append(Receipt(packet_id, int.from_bytes(packed[i + 2 : i + _RECEIPT_BYTES], "big")))
        return out
