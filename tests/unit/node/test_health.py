"""$health: told when something changed that somebody should know, and not all the time."""

from typing import Any

import msgspec

from sensorline_node.health import SOON_S, Health, HealthReport
from sensorline_node.node import Meta, Node
from sensorline_node.roster import Roster
from sensorline_node.sensors.base import Measurement

FINE = Health(refused=0, set_aside=0, waiting=1, outbox_bytes=40_000, outbox_max_bytes=10**8)


def but(**members: Any) -> Health:
    return msgspec.structs.replace(FINE, **members)


def report() -> HealthReport:
    out = HealthReport()
    out.told(FINE, 0.0)
    return out


def test_a_problem_is_told_at_once_and_so_is_its_end() -> None:
    assert report().is_due(but(problem="the disk is full"), 0.1)
    told = report()
    told.told(but(problem="the disk is full"), 0.0)
    assert told.is_due(FINE, 0.1)


def test_refusals_are_told_soon_and_a_count_of_waiting_readings_only_when_they_are_many() -> None:
    assert not report().is_due(but(refused=1), SOON_S / 2)
    assert report().is_due(but(refused=1), SOON_S)
    assert not report().is_due(but(waiting=50), 1e9)
    assert not report().is_due(but(waiting=5_000), 30)
    assert report().is_due(but(waiting=5_000), 60)


class Thermometer:
    name = "thermometer"
    is_simulated = False

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Measurement]:
        return [Measurement("temperature", 21.5)]


def test_a_node_whose_outbox_is_full_says_so_retained_with_numbers(
    open_outbox: Any, link: Any, clock: Any
) -> None:
    outbox = open_outbox(max_readings=10)
    node = Node("desk", Meta(2.0, False), Roster([Thermometer()], 2.0), outbox, link, clock)
    link.connect()
    end_s = clock.elapsed_s + 60
    node.run(lambda: clock.elapsed_s >= end_s)
    said = [m for m in link.published if m.topic == "sensors/desk/$health"]
    assert all(m.retain and m.qos == 1 for m in said)
    assert len(said) < 12
    first, *_, last = [msgspec.json.decode(m.payload) for m in said]
    assert first["refused"] == 0
    assert "problem" not in first
    assert last["refused"] > 10
    assert last["waiting"] == 10
    assert "new readings are refused: 10 wait, which is the limit" in last["problem"]


def test_nothing_is_sent_on_a_connection_before_the_broker_has_subscribed_us(
    open_outbox: Any, link: Any, clock: Any
) -> None:
    """A confirmation that came in between would be missed."""
    node = Node("desk", Meta(2.0, False), Roster([Thermometer()], 2.0), open_outbox(), link, clock)
    link.connect(subscribed=False)
    for _ in range(20):
        node.step()
    assert link.published == []
    link.is_subscribed = True
    node.step()
    assert link.seqs()
