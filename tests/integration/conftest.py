"""Brokers and ingests for the integration tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.brokers import Broker, make_broker, mosquitto_binary
from tests.support.processes import Processes
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
def any_broker(processes: Processes, tmp_path: Path) -> Broker:
    """A running broker for tests that are about something else: Mosquitto where it is installed, else amqtt."""
    kind = "mosquitto" if mosquitto_binary() else "amqtt"
    return _started(make_broker(kind, tmp_path / "broker"), processes)


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

    def make(where: Broker | Proxy, name: str = "ingest", **settings: object) -> Ingest:
        settings.setdefault("STORE_PATH", tmp_path / f"{name}.db")
        ingest = Ingest(tmp_path, where.environment, name=name, **settings)
        processes.add(ingest)
        return ingest

    return make
