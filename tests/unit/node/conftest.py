"""A broker link and a clock for tests: both do only what the test says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from sensorline_node.outbox import Outbox

START_MS = 1_737_000_000_000


class FakeClock:
    """Time stands until somebody waits or the test moves it."""

    def __init__(self) -> None:
        self.ms = START_MS
        self.elapsed_s = 100.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def pass_s(self, seconds: float) -> None:
        self.elapsed_s += seconds
        self.ms += round(seconds * 1000)


class Published(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retain: bool


class Taken(NamedTuple):
    messages: list[tuple[bytes, bytes, int, int, int]]


class FakeLink:
    """Keeps what was published; gives what the test delivers; waiting moves the clock.

    Its broker subscribes and acknowledges at once, but for what `accepts` says False to: that ends the connection.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.is_connected = False
        self.is_subscribed = False
        self.unacknowledged_count = 0
        self.accepts: Callable[[Published], bool] = lambda message: True
        self.generation = 0
        self.published: list[Published] = []
        self.acknowledged: list[Taken] = []
        self.takes_at_most: int | None = None
        self.problem: str | None = None
        self._arriving: list[Taken] = []

    def connect(self, *, subscribed: bool = True) -> None:
        self.is_connected = True
        self.is_subscribed = subscribed
        self.unacknowledged_count = 0
        self.generation += 1

    def drop(self) -> None:
        self.is_connected = self.is_subscribed = False

    def deliver(self, topic: str, payload: bytes) -> None:
        self._arriving.append(Taken([(topic.encode(), payload, 1, 2, 0)]))

    def take(self, timeout_s: float) -> Taken | None:
        if self._arriving:
            return self._arriving.pop(0)
        self._clock.pass_s(timeout_s)
        return None

    def ack(self, arrivals: Taken) -> None:
        self.acknowledged.append(arrivals)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        if not self.is_connected:
            return False
        if self.takes_at_most is not None and len(self.published) >= self.takes_at_most:
            return False
        message = Published(topic, payload, qos, retain)
        self.published.append(message)
        # What is behind a packet that was not taken is not read any more.
        if self.unacknowledged_count or not self.accepts(message):
            self.unacknowledged_count += 1
        return True

    def check_alive(self) -> str | None:
        return self.problem

    def readings(self) -> list[dict[str, Any]]:
        """Every reading that was published, in order, with its topic."""
        out: list[dict[str, Any]] = []
        for message in self.published:
            if "$" not in message.topic:
                value = msgspec.json.decode(message.payload)
                out += [
                    {"topic": message.topic, **v} for v in (value if isinstance(value, list) else [value])
                ]
        return out

    def seqs(self) -> list[int]:
        return [reading["seq"] for reading in self.readings()]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def link(clock: FakeClock) -> FakeLink:
    return FakeLink(clock)


@pytest.fixture
def open_outbox(tmp_path: Path) -> Any:
    opened: list[Outbox] = []

    def open_it(
        device: str = "desk",
        max_bytes: int = 10_000_000,
        max_readings: int | None = None,
        first_seq: int = 1,
    ) -> Outbox:
        path = tmp_path / "out" / "box.db"
        outbox = Outbox(path, device, max_bytes=max_bytes, max_readings=max_readings, first_seq=first_seq)
        opened.append(outbox)
        return outbox

    yield open_it
    for outbox in opened:
        outbox.close()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], str]:
    """Make an executable that stands for another program; returns its path."""

    def make(name: str, script: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return make
