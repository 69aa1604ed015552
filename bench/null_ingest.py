"""`sensorline ingest` with a store that keeps nothing: what is measured is the way from the socket to the store and back.

python bench/null_ingest.py [OPTIONS of sensorline ingest]
"""

import sys
from collections.abc import Callable

from sensorline.cli import cli
from sensorline.events import Account, Event
from sensorline.reading import Batch, Committed, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores import opening
from sensorline.stores.base import Immediate, StoreWriter, WriterState
from sensorline.stores.influxdb.settings import InfluxSettings


class NullWriter(Immediate):
    """Says of every batch that it is stored."""

    waiting_windows = 0

    def commit(self, batch: Batch) -> Committed:
        return Committed(len(batch.readings), 0, 0)

    def receipts(self) -> list[Receipt]:
        return []

    def series(self) -> list[Series]:
        return []

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Nothing is kept."""

    def recall(self) -> tuple[bytes, list[bytes]]:
        return b"", []

    def repeats(self) -> dict[str, int]:
        return {}

    def open_events(self) -> list[Event]:
        return []

    def accounts(self) -> list[Account]:
        return []

    def maintain(self, now_ns: int) -> bool:
        return False

    def state(self) -> WriterState:
        return WriterState(0, 0, 0)

    def close(self) -> None:
        """Nothing to close."""


def open_null_writer(store: StoreSettings, influx: InfluxSettings) -> StoreWriter:
    """Take the place of sensorline.stores.opening.open_writer."""
    return NullWriter()


if __name__ == "__main__":
    opening.open_writer = open_null_writer
    cli(["ingest", *sys.argv[1:]])
