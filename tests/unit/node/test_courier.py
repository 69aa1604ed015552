"""The courier: each reading goes until it is confirmed, and never floods, blocks or forgets."""

from typing import Any

import msgspec
import pytest

from sensorline_node.courier import (
    ARRAY_MAX,
    PATIENCE_MAX_S,
    PATIENCE_S,
    PAYLOAD_MAX_BYTES,
    WINDOW,
    Courier,
    payloads,
)
from sensorline_node.outbox import Outbox, Row
from sensorline_node.sensors.base import Measurement


@pytest.fixture
def outbox(open_outbox: Any) -> Any:
    return open_outbox()


@pytest.fixture
def courier(outbox: Outbox, link: Any, clock: Any) -> Courier:
    return Courier("desk", outbox, link, clock)


def measured(count: int, metric: str = "temperature") -> list[Measurement]:
    return [Measurement(metric, float(i), "°C") for i in range(count)]


def wait(courier: Courier, clock: Any, seconds: float) -> None:
    """Let time pass in steps as a node does."""
    for _ in range(round(seconds)):
        clock.pass_s(1)
        courier.send_waiting()


def test_a_new_reading_is_one_object_with_value_time_unit_and_number(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put([Measurement("temperature", 21.5, "°C"), Measurement("load", 1)], clock.ms))
    first, second = link.published
    assert first.topic == "sensors/desk/temperature"
    assert first.qos == 1
    assert not first.retain
    assert first.payload.decode() == f'{{"value":21.5,"ts":{clock.ms},"unit":"°C","seq":1}}'
    assert second.payload.decode() == f'{{"value":1.0,"ts":{clock.ms},"seq":2}}'


def test_nothing_is_sent_on_a_connection_before_the_device_introduced_itself(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.send_new(outbox.put(measured(1), clock.ms))
    courier.send_waiting()
    assert link.published == []
    courier.begin_session()
    courier.send_waiting()
    assert link.seqs() == [1]


def test_a_confirmed_reading_is_deleted_and_not_sent_again(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put(measured(3), clock.ms))
    courier.confirm([(1, 2)])
    wait(courier, clock, PATIENCE_S - 1)
    assert link.seqs() == [1, 2, 3]
    wait(courier, clock, 2)
    assert link.seqs() == [1, 2, 3, 3]
    assert outbox.count == 1


def test_after_a_reconnection_the_newest_goes_first_and_then_the_oldest_in_arrays(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    for _ in range(10):
        courier.send_new(outbox.put([*measured(1), Measurement("load", 1.0)], clock.ms))
        clock.pass_s(2)
    assert link.published == []
    link.connect()
    courier.begin_session()
    courier.send_waiting()
    assert link.seqs() == [19, 20, *range(1, 19, 2), *range(2, 19, 2)]
    assert len(link.published) == 4


def test_a_reading_is_not_sent_twice_while_it_may_still_be_confirmed(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put(measured(5_000), clock.ms)
    link.connect()
    courier.begin_session()
    wait(courier, clock, PATIENCE_S - 1)
    assert len(link.seqs()) == len(set(link.seqs()))


def test_repeated_readings_never_exceed_the_window(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put(measured(3 * WINDOW), clock.ms)
    link.connect()
    courier.begin_session()
    for _ in range(5):
        courier.send_waiting()
    assert len(link.seqs()) == 1 + WINDOW
    courier.confirm([(1, 700)])
    courier.send_waiting()
    assert len(link.seqs()) == 1 + WINDOW + 700


def test_a_large_backlog_drains_completely_with_each_reading_sent_once(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put([m for _ in range(2_500) for m in (*measured(1), Measurement("load", 2.0))], clock.ms)
    link.connect()
    courier.begin_session()
    for _ in range(20):
        courier.send_waiting()
        courier.confirm([(seq, seq) for seq in link.seqs()])
        clock.pass_s(0.1)
    assert outbox.count == 0
    assert sorted(link.seqs()) == list(range(1, 5_001))


def test_readings_that_are_never_confirmed_do_not_hold_up_those_behind_them(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    poison = 3 * WINDOW
    outbox.put(measured(poison + 50), clock.ms)
    link.connect()
    courier.begin_session()
    seen: set[int] = set()
    for _ in range(round(2 * PATIENCE_MAX_S)):
        clock.pass_s(1)
        courier.send_waiting()
        sent = set(link.seqs())
        link.published.clear()
        courier.confirm([(seq, seq) for seq in sent if seq > poison])
        seen |= sent
    assert outbox.count == poison
    assert seen == set(range(1, poison + 51))


def test_repetition_slows_down_while_nobody_confirms(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put(measured(1), clock.ms))
    wait(courier, clock, 3_600)
    # 30 s, 1, 2, 4, 8, then every 10 minutes.
    assert 7 <= len(link.seqs()) <= 11


def test_repetition_is_quick_again_as_soon_as_a_repeated_reading_is_confirmed(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put(measured(2), clock.ms))
    wait(courier, clock, 3_600)
    courier.confirm([(1, 1)])
    before = len(link.published)
    wait(courier, clock, PATIENCE_S + 2)
    assert len(link.published) > before


def test_what_the_link_did_not_take_goes_at_a_later_turn(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put(measured(1_000), clock.ms)
    link.connect()
    courier.begin_session()
    link.takes_at_most = 2
    courier.send_waiting()
    link.takes_at_most = None
    courier.send_waiting()
    assert sorted(link.seqs()) == list(range(1, 1_001))


def test_an_array_has_a_bounded_count_and_size_and_one_unit() -> None:
    rows = [Row(1_795_260_000_000 + i, "t", "°C", 1_737_000_000_000 + i, i / 7) for i in range(2_000)]
    messages = payloads(rows)
    assert [seq for _, seqs in messages for seq in seqs] == [row.seq for row in rows]
    for payload, seqs in messages:
        points = msgspec.json.decode(payload)
        assert len(points) == len(seqs) <= ARRAY_MAX
        assert len(payload) <= PAYLOAD_MAX_BYTES + 2
        assert [point.get("unit") for point in points] == ["°C"] + [None] * (len(points) - 1)


def test_an_array_never_has_more_readings_than_agreed() -> None:
    rows = [Row(1, "t", "", 1, 1.0)] * 1_001
    assert [len(seqs) for _, seqs in payloads(rows)] == [500, 500, 1]
