"""Ingest's pipeline on an embedded store, with a clock that the test turns, and what it commits."""

import shutil
from pathlib import Path

from sensorline.decoders import build_decoders
from sensorline.events import Account, Event
from sensorline.mqtt import RawMessage
from sensorline.reading import Batch
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

NOW_MS = 1_790_000_000_000
MS = 10**6
QOS_1, DUP = 0x02, 0x08


class Ingest:
    """A pipeline on a store, and what it commits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = NOW_MS
        self.start()

    def start(self) -> None:
        self.writer = SqliteWriter(StoreSettings(path=self.path))
        self.metrics = IngestMetrics()
        cardinality = Cardinality(self.writer.series(), 1_000, 100)
        self.pipeline = Pipeline(build_decoders(), self.writer, cardinality, self.metrics)
        self.events: list[Event] = []

    def kill(self) -> None:
        """Begin again on what a killed process leaves behind."""
        copy = self.path.with_name(f"{self.path.stem}+.db")
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.path}{suffix}", f"{copy}{suffix}")
        self.writer._db.close()
        self.path = copy
        self.start()

    def take(self, *messages: RawMessage) -> Batch:
        batch = self.pipeline.decode(messages)
        self.pipeline.commit(batch)
        self.events += batch.events
        return batch

    def send(
        self, payload: str, topic: str = "sensors/desk/t", packet_id: int = 0, dup: bool = False
    ) -> Batch:
        flags = (QOS_1 if packet_id else 0) | (DUP if dup else 0)
        return self.take((topic.encode(), payload.encode(), packet_id, flags, self.now_ms * MS))

    def tick(self, is_listening: bool = True) -> Batch | None:
        batch = self.pipeline.tracker.overdue(self.now_ms * MS, is_listening=is_listening)
        if batch is not None:
            self.pipeline.commit(batch)
            self.events += batch.events
        return batch

    def wait(self, seconds: int, is_listening: bool = True) -> None:
        """Let time pass as it does for a service that is not held up."""
        for _ in range(seconds):
            self.now_ms += 1_000
            self.tick(is_listening)

    def told(self) -> list[Event]:
        """What everybody can read of it."""
        reader = SqliteReader(self.path)
        events = reader.events(0, 2**62)
        reader.close()
        return events

    def account(self, device: str = "desk") -> Account:
        """The book as it would be written now."""
        book = self.pipeline.tracker.books.by_name[device]
        return book.account(None, self.now_ms * MS)

    def counted(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"sensorline_ingest_{name}") or 0.0
