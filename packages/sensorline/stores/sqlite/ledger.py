"""What ingest keeps beside the readings, whatever the store: devices, dead letters, receipts, counts.

Every method works inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from sensorline.reading import Batch, DeadLetter, DeviceFacts, Receipt, Series
from sensorline.stores.base import RECEIPTS_KEPT
from sensorline.stores.facts import merge_facts

_RECEIPT_BYTES = 10


class Ledger:
    """The tables `device`, `dead_letter`, `receipts` and `counter` of one database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._facts: dict[str, DeviceFacts] = {}
        self.load()

    def load(self) -> None:
        """Read what is needed in memory; also after a rollback, which leaves memory ahead of the database."""
        self._facts = {
            name: msgspec.msgpack.decode(facts, type=DeviceFacts)
            for name, facts in self._db.execute("SELECT name, facts FROM device")
        }

    def facts_of(self, device: str) -> DeviceFacts:
        """Return what is known of a device."""
        return self._facts.get(device, DeviceFacts(device))

    def write(self, batch: Batch, stored: int) -> None:
        """Write all of a batch but its readings, of which `stored` are new."""
        if stored:
            self._db.execute("UPDATE counter SET n = n + ? WHERE name = 'readings'", (stored,))
        self._write_facts(batch)
        self._write_dead_letters(batch.dead_letters)
        if batch.begins_session:
            self._db.execute("DELETE FROM receipts")
        self._write_receipts(batch.packet_ids, batch.digests)

    def needs(self, batch: Batch, new_series: Sequence[Series]) -> bool:
        """Tell whether `note` has anything to write."""
        return bool(batch.facts or batch.dead_letters or any(s.device not in self._facts for s in new_series))

    def note(self, batch: Batch, new_series: Sequence[Series]) -> None:
        """Write a batch's facts, dead letters, and devices that are new: for a store that keeps the rest in its journal."""
        self._change_facts(batch.facts, [series.device for series in new_series])
        self._write_dead_letters(batch.dead_letters)

    def _write_facts(self, batch: Batch) -> None:
        seen: dict[str, int] = {}
        for (device, _), time_ns, _ in batch.readings:
            if time_ns > seen.get(device, 0):
                seen[device] = time_ns
        self._change_facts(batch.facts, seen)
        self._db.executemany(
            "UPDATE device SET last_seen_ns = ?1 WHERE name = ?2 AND (last_seen_ns IS NULL OR last_seen_ns < ?1)",
            [(time_ns, device) for device, time_ns in seen.items()],
        )

    def _change_facts(self, news: Iterable[DeviceFacts], devices: Iterable[str]) -> None:
        changed: dict[str, DeviceFacts] = {}
        for facts in news:
            before = self.facts_of(facts.device)
            after = merge_facts(before, facts)
            if after != before or facts.device not in self._facts:
                self._facts[facts.device] = changed[facts.device] = after
        for device in devices:
            if device not in self._facts:
                self._facts[device] = changed[device] = DeviceFacts(device)
        self._db.executemany(
            "INSERT INTO device VALUES (?, NULL, ?) ON CONFLICT (name) DO UPDATE SET facts = excluded.facts",
            [(name, msgspec.msgpack.encode(facts)) for name, facts in changed.items()],
        )

    def _write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        if not dead_letters:
            return
        self._db.executemany(
            "INSERT INTO dead_letter (topic, payload, reason, detail, received_ns) VALUES (?, ?, ?, ?, ?)",
            [(d.topic, d.payload, d.reason, d.detail, d.received_ns) for d in dead_letters],
        )
        self._db.execute("UPDATE counter SET n = n + ? WHERE name = 'dead_letters'", (len(dead_letters),))

    def _write_receipts(self, packet_ids: Sequence[int], digests: Sequence[int]) -> None:
        if not packet_ids:
            return
        pairs = zip(packet_ids, digests, strict=True)
        packed = b"".join(
            [packet_id.to_bytes(2, "big") + digest.to_bytes(8, "big") for packet_id, digest in pairs]
        )
        cursor = self._db.execute("INSERT INTO receipts (n, packed) VALUES (?, ?)", (len(packet_ids), packed))
        # Once in a while is enough: a few too many do no harm.
        if cursor.lastrowid and cursor.lastrowid % 64 == 0:
            self._db.execute(
                "DELETE FROM receipts WHERE id < (SELECT id FROM (SELECT id, sum(n) OVER (ORDER BY id DESC) AS newer"
                " FROM receipts) WHERE newer >= ? ORDER BY id DESC LIMIT 1)",
                (RECEIPTS_KEPT,),
            )

    def refuse(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Turn readings that were counted as stored into dead letters: the database beyond has refused them."""
        self._write_dead_letters(dead_letters)
        self._db.execute("UPDATE counter SET n = n - ? WHERE name = 'readings'", (len(dead_letters),))

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        out = []
        for (packed,) in self._db.execute("SELECT packed FROM receipts ORDER BY id"):
            for i in range(0, len(packed), _RECEIPT_BYTES):
                packet_id = int.from_bytes(packed[i : i + 2], "big")
                out.append(Receipt(packet_id, int.from_bytes(packed[i + 2 : i + _RECEIPT_BYTES], "big")))
        return out[-RECEIPTS_KEPT:]

    def counts(self) -> dict[str, int]:
        """Return the counters: readings and dead letters since the database was made."""
        return dict(self._db.execute("SELECT name, n FROM counter").fetchall())
