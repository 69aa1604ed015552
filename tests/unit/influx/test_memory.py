"""While InfluxDB is away, what waits is on the disk: memory stays flat."""

from pathlib import Path

import psutil
from tests.support.fake_influx import FakeInflux

from sensorline.reading import Batch, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.writer import InfluxWriter

SERIES, PER_BATCH = 200, 2_000
FIRST, MORE = 60, 240
GROWTH_MIB = 12
"""480,000 readings are 15 MB as bare columns, and some hundred as Python objects."""


def test_half_a_million_readings_that_wait_take_no_memory(fake: FakeInflux, tmp_path: Path) -> None:
    # Nobody answers there.
    settings = fake.settings(url="http://127.0.0.1:9")
    writer = InfluxWriter(settings, StoreSettings(path=tmp_path / "store.db"))
    process = psutil.Process()
    before = 0
    for i in range(FIRST + MORE):
        if i == FIRST:
            before = process.memory_info().rss
        at_ns = 1_790_000_000 * 10**9 + i * 10**9
        writer.commit(
            Batch.of(
                [Reading(Series(f"d{j % SERIES}", "m"), at_ns + j, j * 0.37) for j in range(PER_BATCH)],
                receipts=[Receipt(j + 1, i * j) for j in range(PER_BATCH)],
            )
        )
    grown_mib = (process.memory_info().rss - before) / 2**20
    assert writer.backlog().readings == (FIRST + MORE) * PER_BATCH
    assert writer.backlog().bytes > 10**6
    assert grown_mib < GROWTH_MIB, f"grown by {grown_mib:.1f} MiB"
    writer.close()
