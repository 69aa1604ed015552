"""The stores under test. A new store joins the suite with one class here, named in STORES."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.support import influx
from tests.support.drained import Drained

from sensorline.reading import Batch, DeadLetter, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.base import DeadLetters, StoreReader, StoreWriter
from sensorline.stores.influxdb.reader import InfluxReader
from sensorline.stores.opening import open_dead_letters
from sensorline.stores.sqlite import SqliteDeadLetters, SqliteReader, SqliteWriter

T0_NS = 1_790_000_000 * 10**9
"""A whole second in 2026; every test counts from here."""

DESK = Series("desk", "temperature")


class StoreUnderTest(Protocol):
    """What the suite needs of a store."""

    writer: StoreWriter
    reader: StoreReader
    dead_letters: DeadLetters
    window_ns: int
    """Upkeep works in windows of this length, once they are over."""

    def reopen(self, **retention_days: float) -> None:
        """Close everything and open it again, as a restart does."""

    def new_reader(self) -> StoreReader:
        """Return one more reader, as another process has one."""

    def fill_disk(self) -> None:
        """From now on the store finds no more room."""

    def free_disk(self) -> None:
        """There is room again."""

    def reader_source(self) -> str:
        """Return Python source that makes `reader`, for another process."""

    def close(self) -> None:
        """Close everything."""


class SqliteUnderTest:
    """The embedded store."""

    window_ns = 600 * 10**9

    def __init__(self, folder: Path, **retention_days: float) -> None:
        self.path = folder / "sensorline.db"
        self._open(retention_days)

    def _open(self, retention_days: dict[str, float]) -> None:
        for_ever: dict[str, Any] = {"keep_raw_days": 0, "keep_minutes_days": 0, "keep_rejected_days": 0}
        self._writer = SqliteWriter(StoreSettings(path=self.path, **for_ever | retention_days))
        self.writer: StoreWriter = self._writer
        self.reader: StoreReader = SqliteReader(self.path)
        self.dead_letters: DeadLetters = SqliteDeadLetters(self.path)

    def reopen(self, **retention_days: float) -> None:
        self.close()
        self._open(retention_days)

    def new_reader(self) -> StoreReader:
        return SqliteReader(self.path)

    def reader_source(self) -> str:
        return (
            "from pathlib import Path\nfrom sensorline.stores.sqlite import SqliteReader\n"
            f"reader = SqliteReader(Path({str(self.path)!r}))\n"
        )

    def fill_disk(self) -> None:
        # SQLite answers SQLITE_FULL at this limit as it does on a full disk.
        db: sqlite3.Connection = self._writer._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")

    def free_disk(self) -> None:
        self._writer._db.execute(f"PRAGMA max_page_count = {2**31}")

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


class InfluxUnderTest:
    """The InfluxDB store, on buckets of its own of a real server, which is had in the given way."""

    window_ns = 60 * 10**9

    def __init__(self, way: str, folder: Path, **retention_days: float) -> None:
        self.path = folder / "sensorline.db"
        self._server = influx.server(way)
        self.influx = self._server.make_buckets()
        self._open(retention_days)

    def _open(self, retention_days: dict[str, float]) -> None:
        for_ever: dict[str, Any] = {"keep_raw_days": 0, "keep_minutes_days": 0, "keep_rejected_days": 0}
        settings = StoreSettings(path=self.path, **for_ever | retention_days)
        self._writer = Drained(self.influx, settings)
        self.writer: StoreWriter = self._writer
        self.reader: StoreReader = InfluxReader(self.influx)
        self.dead_letters: DeadLetters = open_dead_letters(settings, self.influx)

    def reopen(self, **retention_days: float) -> None:
        self.reader.close()
        self.writer.close()
        self._open(retention_days)

    def new_reader(self) -> StoreReader:
        return InfluxReader(self.influx)

    def reader_source(self) -> str:
        token = self.influx.token.get_secret_value()
        return (
            "from sensorline.stores.influxdb.reader import InfluxReader\n"
            "from sensorline.stores.influxdb.settings import InfluxSettings\n"
            f"reader = InfluxReader(InfluxSettings(url={self.influx.url!r}, org={self.influx.org!r}, token={token!r},"
            f" bucket={self.influx.bucket!r}))\n"
        )

    def fill_disk(self) -> None:
        # Here, where a commit is written, and at InfluxDB, whose writes fail then: nobody listens on this port.
        ((pages,),) = self._writer._file.rows("PRAGMA page_count")
        self._writer._file.rows(f"PRAGMA max_page_count = {pages}")
        self._writer._connection.url = "http://127.0.0.1:1"

    def free_disk(self) -> None:
        self._writer._file.rows(f"PRAGMA max_page_count = {2**31}")
        self._writer._connection.url = self.influx.url

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self._server.drop_buckets(self.influx.bucket)


_NEEDS = {"container": [pytest.mark.docker], "binary": [pytest.mark.influxd]}

# Each way in which this machine can have a server; without any there is one to be left out by name.
WAYS = [
    pytest.param(way, id=f"influxdb-{way}", marks=[pytest.mark.influxdb, *_NEEDS.get(way, [])])
    for way in influx.ways()
] or [pytest.param("", id="influxdb", marks=pytest.mark.influxdb)]

STORES = [
    pytest.param(SqliteUnderTest, id="sqlite"),
    *(pytest.param(partial(InfluxUnderTest, way.values[0]), id=way.id, marks=way.marks) for way in WAYS),
]
ONE_OF_EACH = STORES[:2]
"""For long tests: SQLite, and InfluxDB by the first way only. The ways differ in how we reach the server, not in what it is."""


@pytest.fixture(params=STORES, scope="session")
def make_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., StoreUnderTest]:
    """Return a function that makes an empty store: for tests that need many."""

    def make(**retention_days: float) -> StoreUnderTest:
        store: StoreUnderTest = request.param(tmp_path_factory.mktemp("store"), **retention_days)
        return store

    return make


@pytest.fixture
def store(make_store: Callable[..., StoreUnderTest]) -> Iterator[StoreUnderTest]:
    """An empty store that keeps everything."""
    made = make_store()
    yield made
    made.close()


@pytest.fixture(params=WAYS, scope="session")
def influx_server(request: pytest.FixtureRequest) -> influx.Server:
    """Each real InfluxDB that this machine can have."""
    return influx.server(request.param)


class Batches:
    """Short ways to write batches; times are nanoseconds after T0_NS."""

    t0_ns = T0_NS
    desk = DESK

    @staticmethod
    def readings(*pairs: tuple[int, float], series: Series = DESK) -> Batch:
        return Batch.of([Reading(series, T0_NS + t, v) for t, v in pairs])

    @staticmethod
    def facts(*facts: DeviceFacts) -> Batch:
        return Batch.of(facts=list(facts))

    @staticmethod
    def dead_letters(*payloads: bytes, received_ns: int = T0_NS) -> Batch:
        letters = [DeadLetter("sensors/desk/t", p, "value_null", "why", received_ns) for p in payloads]
        return Batch.of(dead_letters=letters)

    @staticmethod
    def receipts(*receipts: tuple[int, int]) -> Batch:
        return Batch.of(receipts=[Receipt(*r) for r in receipts])


@pytest.fixture(scope="session")
def batch() -> type[Batches]:
    """Short ways to write batches."""
    return Batches
