"""Brokers and ingests for the integration tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import brokers
from tests.support.brokers import Broker, SharedBroker, make_broker, mosquitto_binary
from tests.support.doctor import Doctor
from tests.support.processes import Processes
from tests.support.production import ProductionMosquitto
from tests.support.proxy import Proxy
from tests.support.services import Ingest

MOSQUITTO = pytest.param("mosquitto", marks=pytest.mark.mosquitto)


@pytest.fixture(params=[MOSQUITTO, "amqtt"])
def broker(request: pytest.FixtureRequest, processes: Processes, tmp_path: Path) -> Broker:
    """Each of the brokers that `sensorline up` starts, running."""
    return _started(make_broker(request.param, tmp_path / "broker"), processes)


@pytest.fixture
def mosquitto(processes: Processes, tmp_path: Path) -> Broker:
    """A running Mosquitto; tests that use it are marked `mosquitto`."""
    return _started(make_broker("mosquitto", tmp_path / "broker"), processes)


@pytest.fixture
def production(processes: Processes, tmp_path: Path) -> ProductionMosquitto:
    """A broker with the files of mosquitto/ and a device called desk."""
    broker = ProductionMosquitto(tmp_path / "broker", "desk")
    processes.add(broker)
    broker.start()
    return broker


@pytest.fixture
def ask(tmp_path: Path) -> Doctor:
    """`ask(settings, *options)` runs `sensorline doctor` and returns its report."""
    return Doctor(tmp_path)


@pytest.fixture
def any_broker(processes: Processes, tmp_path: Path) -> Broker:
    """A running broker for tests that are about something else: Mosquitto where it is installed, else amqtt."""
    kind = "mosquitto" if mosquitto_binary() else "amqtt"
    return _started(make_broker(kind, tmp_path / "broker"), processes)


@pytest.fixture(
    params=[pytest.param(way, id=f"mosquitto-{way}") for way in brokers.shared_ways()[:1] or ["none"]],
    scope="session",
)
def shared_broker(request: pytest.FixtureRequest) -> SharedBroker:
    """The Mosquitto that is given, else a container, else a program; tests that use it are marked `broker`."""
    return brokers.shared_broker(request.param)


def _started(broker: Broker, processes: Processes) -> Broker:
    processes.add(broker)
    broker.start()
    return broker


@pytest.fixture
def proxy(mosquitto: Broker) -> Iterator[Proxy]:
    """A proxy in front of Mosquitto."""
    proxy = Proxy(mosquitto.port)
    yield proxy
    proxy.close()


MakeIngest = Callable[..., Ingest]


@pytest.fixture
def make_ingest(processes: Processes, tmp_path: Path) -> MakeIngest:
    """Return `make(broker_or_proxy, name="ingest", **settings)`: an Ingest that is not yet started."""

    def make(where: Broker | Proxy | SharedBroker, name: str = "ingest", **settings: object) -> Ingest:
        settings.setdefault("STORE_PATH", tmp_path / f"{name}.db")
        ingest = Ingest(tmp_path, where.environment, name=name, **settings)
        processes.add(ingest)
        return ingest

    return make
