"""A web app on a real SQLite store, with a broker that the test plays."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from sensorline.decoders import build_decoders
from sensorline.mqtt import Arrivals
from sensorline.reading import Batch, DeviceFacts, Reading, Series, Status
from sensorline.settings import MqttSettings, StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline_web.app import create_app
from sensorline_web.live.feed import Feed
from sensorline_web.services import services
from sensorline_web.settings import WebSettings

T0_NS = 1_760_000_000 * 10**9
"""2025-10-09T08:53:20Z, when the stored readings begin: one a second."""


class FakeLink:
    """A session with a broker that brings what the test puts in."""

    gather_s = 0.05

    def __init__(self) -> None:
        self.is_connected = False
        self.generation = 0
        self.problem: str | None = None
        self.waiting: list[Arrivals] = []

    def connect(self) -> None:
        self.is_connected = True
        self.generation += 1

    def put(self, topic: str, payload: str | bytes, *, flags: int = 0, received_ns: int = T0_NS) -> None:
        body = payload.encode() if isinstance(payload, str) else payload
        self.waiting.append(Arrivals(self.generation, [(topic.encode(), body, 0, flags, received_ns)]))

    def start(self) -> None: ...

    def stop(self, timeout_s: float = 2.0) -> None: ...

    def take(self, timeout_s: float, max_messages: int = 5_000) -> Arrivals | None:
        return self.waiting.pop(0) if self.waiting else None

    def ack(self, arrivals: Arrivals) -> None: ...

    def check_alive(self) -> str | None:
        return self.problem


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "readings.db"
    writer = SqliteWriter(StoreSettings(path=path))
    temperature = Series("desk", "temperature")
    readings = [Reading(temperature, T0_NS + i * 10**9, 20.0 + (i + 1) / 100) for i in range(600)]
    readings += [Reading(Series("desk", "humidity"), T0_NS, 44.5)]
    readings += [Reading(Series("hall/door", "open"), T0_NS + 5, 1.0)]
    facts = [
        DeviceFacts("desk", Status.ONLINE, T0_NS, name="Desk", units={"temperature": "°C", "humidity": "%"})
    ]
    writer.commit(Batch.of(readings=readings, facts=facts))
    writer.close()
    return path


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


@pytest.fixture
def make_app(store_path: Path, link: FakeLink, tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    apps: list[Flask] = []

    def make(*, path: Path | None = None, charts: str = "", **changes: object) -> Flask:
        charts_file = tmp_path / "charts.toml"
        if charts:
            charts_file.write_text(charts, encoding="utf-8")
        settings = WebSettings(env="testing", async_mode="threading", charts_file=charts_file, **changes)
        app = create_app(
            settings,
            mqtt=MqttSettings(),
            make_reader=lambda: SqliteReader(path or store_path),
            link=link,
            decoders=build_decoders(),
            registry=CollectorRegistry(),
        )
        apps.append(app)
        return app

    yield make
    for app in apps:
        services(app).readers.close()


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app().test_client()


def feed_of(app: Flask) -> Feed:
    return services(app).feed
