"""Commits: readings, dead letters, facts and receipts in one durable transaction."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.base import WriterState
from sensorline.stores.facts import merge_facts
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.collisions import Collisions
from sensorline.stores.sqlite.upkeep import Upkeep

RECEIPTS_KEPT = 32_768
"""More than any in-flight window that we configure, and half of the 65,535 packet identifiers: so a kept receipt
never meets another message with the same identifier."""

_RECEIPT_BYTES = 10
_MINUTE_NS = 60 * 10**9


class SqliteWriter:
    """The embedded store's writer: see stores.base.StoreWriter for what it promises."""

    def __init__(self, settings: StoreSettings) -> None:
        self._path = Path(settings.path)
        self._db = schema.open_writer(self._path)
        self._upkeep = Upkeep(self._db, settings)
        self._ids: dict[Series, int] = {}
        self._newest_ns: dict[int, int] = {}
        self._dirty: set[tuple[int, int]] = set()
        self._facts: dict[str, DeviceFacts] = {}
        self._is_stale = False
        self._load()

    def _load(self) -> None:
        """Read what commits need in memory; also after a failed one, which has left it ahead of the database."""
        rows = self._db.execute("SELECT id, device, metric, latest_ns FROM series").fetchall()
        self._ids = {Series(device, metric): series_id for series_id, device, metric, _ in rows}
        self._newest_ns = {series_id: latest_ns for series_id, _, _, latest_ns in rows}
        self._dirty = set()
        self._facts = {
            name: msgspec.msgpack.decode(facts, type=DeviceFacts)
            for name, facts in self._db.execute("SELECT name, facts FROM device")
        }
        self._is_stale = False

    def commit(self, batch: Batch) -> Committed:
        """Make a batch durable as a whole. Raises StoreUnavailable when nothing of it was stored."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._is_stale:
                self._load()
            result = self._write_readings(batch.readings)
            self._write_facts(batch)
            self._write_dead_letters(batch)
            self._write_receipts(batch.receipts)
            self._db.execute("COMMIT")
        except BaseException as exc:
            self._is_stale = True
            self._roll_back()
            if isinstance(exc, sqlite3.Error):
                raise StoreUnavailable(f"cannot write to {self._path}: {exc}") from exc
            raise
        return result

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _write_readings(self, readings: Sequence[Reading]) -> Committed:
        if not readings:
            return Committed(0, 0, 0)
        rows: list[tuple[int, int, float]] = []
        not_newest: list[tuple[int, int, float]] = []
        latest: dict[int, tuple[int, float]] = {}
        newest_ns = self._newest_ns
        dirty: set[tuple[int, int]] = set()
        for reading in readings:
            series_id = self._ids.get(reading.series)
            if series_id is None:
                series_id = self._add_series(reading)
            time_ns = reading.time_ns
            if time_ns > newest_ns[series_id]:
                newest_ns[series_id] = time_ns
                latest[series_id] = (time_ns, reading.value)
                rows.append((series_id, time_ns, reading.value))
                dirty.add((series_id, time_ns // _MINUTE_NS))
            else:
                not_newest.append((series_id, time_ns, reading.value))
        rows.sort()
        self._db.executemany("INSERT INTO reading VALUES (?, ?, ?)", rows)
        shifted, repeated = 0, 0
        if not_newest:
            collisions = Collisions(self._db)
            for series_id, time_ns, value in not_newest:
                kept_ns = collisions.place(series_id, time_ns, value)
                if kept_ns is None:
                    repeated += 1
                    continue
                shifted += kept_ns != time_ns
                dirty.add((series_id, kept_ns // _MINUTE_NS))
                if kept_ns > newest_ns[series_id]:
                    newest_ns[series_id] = kept_ns
                    latest[series_id] = (kept_ns, value)
        self._mark_dirty(dirty)
        self._db.executemany(
            "UPDATE series SET latest_ns = ?, latest_value = ? WHERE id = ?",
            [(time_ns, value, series_id) for series_id, (time_ns, value) in latest.items()],
        )
        stored = len(readings) - repeated
        if stored:
            self._db.execute("UPDATE counter SET n = n + ? WHERE name = 'readings'", (stored,))
        return Committed(stored, repeated, shifted)

    def _add_series(self, reading: Reading) -> int:
        # latest_ns below every time: the series' first reading, which follows at once, is the newest.
        cursor = self._db.execute(
            "INSERT INTO series (device, metric, latest_ns, latest_value) VALUES (?, ?, -1, 0)",
            reading.series,
        )
        series_id = int(cursor.lastrowid or 0)
        self._ids[reading.series] = series_id
        self._newest_ns[series_id] = -1
        return series_id

    def _mark_dirty(self, windows: set[tuple[int, int]]) -> None:
        new = windows - self._dirty
        if new:
            self._db.executemany(
                "INSERT OR IGNORE INTO dirty_minute VALUES (?, ?)",
                sorted((series_id, minute * 60) for series_id, minute in new),
            )
            self._dirty |= new

    def _write_facts(self, batch: Batch) -> None:
        seen: dict[str, int] = {}
        for reading in batch.readings:
            device = reading.series.device
            if reading.time_ns > seen.get(device, 0):
                seen[device] = reading.time_ns
        changed: dict[str, DeviceFacts] = {}
        for facts in batch.facts:
            before = self._facts.get(facts.device, DeviceFacts(facts.device))
            after = merge_facts(before, facts)
            if after != before or facts.device not in self._facts:
                self._facts[facts.device] = changed[facts.device] = after
        for device in seen:
            if device not in self._facts:
                self._facts[device] = changed[device] = DeviceFacts(device)
        self._db.executemany(
            "INSERT INTO device VALUES (?, NULL, ?) ON CONFLICT (name) DO UPDATE SET facts = excluded.facts",
            [(name, msgspec.msgpack.encode(facts)) for name, facts in changed.items()],
        )
        self._db.executemany(
            "UPDATE device SET last_seen_ns = ?1 WHERE name = ?2 AND (last_seen_ns IS NULL OR last_seen_ns < ?1)",
            [(time_ns, device) for device, time_ns in seen.items()],
        )

    def _write_dead_letters(self, batch: Batch) -> None:
        if not batch.dead_letters:
            return
        self._db.executemany(
            "INSERT INTO dead_letter (topic, payload, reason, detail, received_ns) VALUES (?, ?, ?, ?, ?)",
            [(d.topic, d.payload, d.reason, d.detail, d.received_ns) for d in batch.dead_letters],
        )
        self._db.execute(
            "UPDATE counter SET n = n + ? WHERE name = 'dead_letters'", (len(batch.dead_letters),)
        )

    def _write_receipts(self, receipts: Sequence[Receipt]) -> None:
        if not receipts:
            return
        packed = b"".join([r.packet_id.to_bytes(2, "big") + r.digest.to_bytes(8, "big") for r in receipts])
        cursor = self._db.execute("INSERT INTO receipts (n, packed) VALUES (?, ?)", (len(receipts), packed))
        # Once in a while is enough: a few too many do no harm.
        if cursor.lastrowid and cursor.lastrowid % 64 == 0:
            self._db.execute(
                "DELETE FROM receipts WHERE id < (SELECT id FROM (SELECT id, sum(n) OVER (ORDER BY id DESC) AS newer"
                " FROM receipts) WHERE newer >= ? ORDER BY id DESC LIMIT 1)",
                (RECEIPTS_KEPT,),
            )

    def receipts(self) -> list[Receipt]:
        """Return the newest receipts, oldest first."""
        out = []
        for (packed,) in self._db.execute("SELECT packed FROM receipts ORDER BY id"):
            for i in range(0, len(packed), _RECEIPT_BYTES):
                packet_id = int.from_bytes(packed[i : i + 2], "big")
                out.append(Receipt(packet_id, int.from_bytes(packed[i + 2 : i + _RECEIPT_BYTES], "big")))
        return out[-RECEIPTS_KEPT:]

    def maintain(self, now_ns: int) -> bool:
        """Do one step of upkeep. Raises StoreUnavailable; nothing is lost then, the step comes again."""
        try:
            more, done = self._upkeep.step(now_ns)
        except sqlite3.Error as exc:
            self._roll_back()
            raise StoreUnavailable(f"cannot write rollups to {self._path}: {exc}") from exc
        self._dirty.difference_update(done)
        return more

    @property
    def waiting_windows(self) -> int:
        """How many rollup windows this process knows to be due."""
        return len(self._dirty)

    def state(self) -> WriterState:
        """Return counts for people."""
        counts = dict(self._db.execute("SELECT name, n FROM counter").fetchall())
        dirty = self._db.execute("SELECT count(*) FROM dirty_minute").fetchone()[0]
        return WriterState(counts["readings"], counts["dead_letters"], dirty)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
