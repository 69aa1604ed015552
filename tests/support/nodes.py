"""Sensor nodes as real processes, and what is in their outboxes."""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import SENSORLINE, Process


class Waiting(NamedTuple):
    """A reading in an outbox."""

    seq: int
    metric: str
    time_ms: int
    value: float


class NodeProcess(Process):
    """`sensorline node` with simulated readings ten times a second, and an outbox of its own."""

    def __init__(self, folder: Path, device: str, broker: Mapping[str, object], **settings: object) -> None:
        self.outbox = folder / f"{device.replace('/', '-')}.db"
        base: dict[str, object] = {
            "NODE_NAME": device,
            "NODE_SENSORS": "simulated",
            "NODE_INTERVAL_S": 0.1,
            "NODE_OUTBOX_PATH": self.outbox,
            "LOG_FORMAT": "json",
        }
        super().__init__(f"node {device}", [*SENSORLINE, "node"], folder, base | dict(broker) | settings)

    def events(self, name: str) -> int:
        """Return how often an event is in its newest life's log."""
        return sum(f'"event": "{name}"' in line for line in self.output().splitlines())

    def taken_count(self) -> int:
        """Return how many readings its outbox has taken in all its lives."""
        first = re.search(r'"next_seq": (\d+)', self.output(all_lives=True))
        assert first is not None, self.output(all_lives=True)
        ((last,),) = self._query("SELECT seq FROM sqlite_sequence WHERE name = 'reading'")
        return int(last) - int(first[1]) + 1

    def waiting(self, table: str = "reading") -> list[Waiting]:
        """Return what its outbox holds after its end, also after a kill."""
        joined = f"{table} AS r JOIN series ON series.id = r.series"
        rows = self._query(f"SELECT seq, metric, time_ms, value FROM {joined} ORDER BY seq")
        return [Waiting(*row) for row in rows]

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        """Ask a copy of the outbox, so that the files themselves stay as they are; asserts that they are whole."""
        assert not self.is_running, "the outbox is locked while its node runs"
        with tempfile.TemporaryDirectory() as folder:
            for file in self.outbox.parent.glob(f"{self.outbox.name}*"):
                # The index beside the log (-shm) is made anew.
                if not file.name.endswith("-shm"):
                    shutil.copy(file, folder)
            db = sqlite3.connect(Path(folder) / self.outbox.name)
            try:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                return db.execute(query).fetchall()
            finally:
                db.close()
