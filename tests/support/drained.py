"""An InfluxDB writer for tests that ask the reader at once: each commit returns when InfluxDB has it, and all is decided."""

from sensorline.reading import Batch, Committed
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.influxdb.writer import InfluxWriter

DEADLINE_S = 30.0


class Drained(InfluxWriter):
    """What the writer does in its own thread, waited for."""

    def __init__(self, settings: InfluxSettings, store: StoreSettings) -> None:
        super().__init__(settings, store)
        self.settled()

    def commit(self, batch: Batch) -> Committed:
        committed = super().commit(batch)
        self.drain(DEADLINE_S)
        settled = self.settled()
        assert committed.undecided == settled.stored + settled.repeated
        return Committed(
            committed.stored + settled.stored, settled.repeated, committed.shifted + settled.shifted
        )

    def maintain(self, now_ns: int) -> bool:
        return self.step(now_ns, DEADLINE_S)
