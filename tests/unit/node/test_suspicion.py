"""F29: a packet that the broker answers by ending the connection. It is found, set aside and told; the others flow."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from sensorline_node.node import Meta, Node
from sensorline_node.roster import Roster
from sensorline_node.sensors.base import Measurement
from sensorline_node.suspicion import RETRY_AFTER_S, STRIKES_MAX

ODD = "a_metric_with_a_very_long_name_" * 3
RECONNECT_S = 2.0


class Thermometer:
    """Reads one metric that everybody takes and one that is `odd`."""

    name = "thermometer"
    is_simulated = False

    def __init__(self, odd: str) -> None:
        self.odd = odd

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Measurement]:
        metrics = ["temperature", *([self.odd] if self.odd else [])]
        return [Measurement(metric, 21.5) for metric in metrics]


class Stage:
    """A node with a broker behind the link that takes packets of at most `max_bytes`, and an ingest that confirms what it takes."""

    def __init__(self, outbox: Any, link: Any, clock: Any, *, odd: str = "") -> None:
        self.outbox, self.link, self.clock = outbox, link, clock
        self.max_bytes = 10**6
        self.breaks = 0
        self.confirms = True
        self.refuses: Callable[[Any], bool] = self._is_too_large
        self.accepted: list[Any] = []
        link.accepts = self._accepts
        self.node = Node("desk", Meta(2.0, False), Roster([Thermometer(odd)], 2.0), outbox, link, clock)

    def _is_too_large(self, message: Any) -> bool:
        return len(message.topic) + len(message.payload) > self.max_bytes

    def _accepts(self, message: Any) -> bool:
        if self.refuses(message):
            return False
        self.accepted.append(message)
        return True

    def run_s(self, seconds: float) -> None:
        end_s = self.clock.elapsed_s + seconds
        connect_s = self.clock.elapsed_s
        while self.clock.elapsed_s < end_s:
            if not self.link.is_connected and self.clock.elapsed_s >= connect_s:
                self.link.connect()
            self.node.step()
            if self.link.is_connected and self.link.unacknowledged_count:
                self.link.drop()
                self.breaks += 1
                connect_s = self.clock.elapsed_s + RECONNECT_S
            elif self.confirms:
                self._confirm()

    def _confirm(self) -> None:
        seqs = []
        for message in self.accepted:
            if "$" not in message.topic:
                points = msgspec.json.decode(message.payload)
                seqs += [point["seq"] for point in (points if isinstance(points, list) else [points])]
        self.accepted = [message for message in self.accepted if "$" in message.topic]
        if seqs:
            ack = msgspec.json.encode({"stored": [(seq, seq) for seq in seqs]})
            self.link.deliver("acks/desk", ack)

    def health(self) -> dict[str, Any]:
        said = [m.payload for m in self.link.published if m.topic.endswith("/$health")]
        return dict(msgspec.json.decode(said[-1]))


@pytest.fixture
def outbox(open_outbox: Any) -> Any:
    return open_outbox()


@pytest.mark.parametrize("confirms", [True, False])
def test_f29_a_metric_that_the_broker_never_takes_is_set_aside_and_the_others_flow(
    outbox: Any, link: Any, clock: Any, confirms: bool
) -> None:
    """F29, also while ingest is away and nothing is confirmed."""
    stage = Stage(outbox, link, clock, odd=ODD)
    stage.refuses = lambda message: ODD in message.topic
    stage.confirms = confirms
    with capture_logs() as logs:
        stage.run_s(60)
    assert [entry["metric"] for entry in logs if entry["event"] == "readings_set_aside"] == [ODD]
    breaks = stage.breaks
    assert breaks == 1 + STRIKES_MAX
    stage.run_s(60)
    assert stage.breaks == breaks, "and never again"
    assert outbox.aside_count == 60
    assert outbox.count == (0 if confirms else 60)
    assert stage.health()["set_aside"] >= 50
    assert f"the broker does not take readings of {ODD[:30]}" in stage.health()["problem"]


def test_f29_a_backlog_goes_through_a_broker_that_takes_small_packets_only(
    outbox: Any, link: Any, clock: Any
) -> None:
    for second in range(3_000):
        outbox.put([Measurement("temperature", second), Measurement("load", 0.5)], clock.ms + second)
    stage = Stage(outbox, link, clock)
    stage.max_bytes = 1_000
    stage.run_s(120)
    assert outbox.count <= 1
    assert outbox.aside_count == 0
    assert stage.breaks <= 6


def test_f29_what_was_set_aside_is_tried_again_hours_later(outbox: Any, link: Any, clock: Any) -> None:
    stage = Stage(outbox, link, clock, odd=ODD)
    stage.refuses = lambda message: ODD in message.topic
    stage.run_s(60)
    assert outbox.aside_count > 20
    stage.refuses = lambda message: False
    clock.pass_s(RETRY_AFTER_S)
    stage.run_s(60)
    assert (outbox.aside_count, outbox.count) == (0, 0)
    assert "problem" not in stage.health()


def test_a_connection_that_breaks_again_and_again_with_everything_acknowledged_sets_nothing_aside(
    outbox: Any, link: Any, clock: Any
) -> None:
    """Two programs with one client id put each other out every second or two."""
    stage = Stage(outbox, link, clock, odd=ODD)
    for _ in range(20):
        stage.run_s(1.5)
        link.drop()
    assert (outbox.aside_count, stage.breaks) == (0, 0)


def test_a_connection_that_breaks_with_much_under_way_sets_nothing_aside(
    outbox: Any, link: Any, clock: Any
) -> None:
    stage = Stage(outbox, link, clock)
    outbox.put([Measurement("temperature", float(i)) for i in range(5_000)], clock.ms)
    for _ in range(20):
        stage.run_s(0.3)
        link.unacknowledged_count = 7
        link.drop()
    stage.run_s(60)
    assert (outbox.count, outbox.aside_count) == (0, 0)


@pytest.mark.parametrize("leaf", ["$meta", "$health"])
def test_f29_an_announcement_that_the_broker_does_not_take_is_left_out(
    outbox: Any, link: Any, clock: Any, leaf: str
) -> None:
    stage = Stage(outbox, link, clock)
    stage.refuses = lambda message: message.topic.endswith(leaf)
    stage.run_s(60)
    assert outbox.count <= 1
    assert stage.breaks == 1 + STRIKES_MAX
    assert ("sensors/desk/$status", b"online") in {
        (m.topic, m.payload) for m in link.published[-20:]
    } or outbox.count == 0
