"""A fake InfluxDB, and a writer before it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.fake_influx import FakeInflux

from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.writer import InfluxWriter

MakeWriter = Callable[..., InfluxWriter]


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    """A server that takes everything until told otherwise."""
    server = FakeInflux()
    yield server
    server.close()


@pytest.fixture
def make_writer(fake: FakeInflux, tmp_path: Path) -> Iterator[MakeWriter]:
    """Return `make()`: a writer on the same file each time; the one before is closed, as by a kill."""
    made: list[InfluxWriter] = []

    def make(timeout_ms: int = 5_000) -> InfluxWriter:
        close()
        store = StoreSettings(path=tmp_path / "store.db")
        made.append(InfluxWriter(fake.settings(timeout_ms), store))
        return made[-1]

    def close() -> None:
        while made:
            made.pop().close()

    yield make
    close()
