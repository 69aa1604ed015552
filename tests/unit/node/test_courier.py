"""The courier: each reading goes until it is confirmed, and never floods, blocks or forgets."""

import operator
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from sensorline.decoders.times import parse_ts
from sensorline_node.courier import Courier
from sensorline_node.outbox import Outbox
from sensorline_node.parcels import ARRAY_MAX, PAYLOAD_MAX_BYTES, pack
from sensorline_node.patience import JITTER, PATIENCE_GROWTH, PATIENCE_S
from sensorline_node.rows import Row
from sensorline_node.sensors.base import Measurement
from sensorline_node.window import WINDOW_FIRST, WINDOW_LEAST, WINDOW_MOST


@pytest.fixture
def outbox(open_outbox: Any) -> Any:
    return open_outbox()


@pytest.fixture
def courier(outbox: Outbox, link: Any, clock: Any) -> Courier:
    return Courier("desk", outbox, link, clock, jitter=lambda: 0.0)


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


def test_repeated_readings_never_exceed_the_window_which_grows_with_prompt_confirmations(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put(measured(6_000), clock.ms)
    link.connect()
    courier.begin_session()
    for _ in range(5):
        courier.send_waiting()
    assert len(link.seqs()) == 1 + WINDOW_FIRST
    clock.pass_s(0.2)
    courier.confirm([(1, 200)])
    courier.send_waiting()
    assert len(link.seqs()) == 1 + WINDOW_FIRST + 2 * 200


def test_f20_on_a_slow_way_the_window_shrinks_until_it_holds_a_few_seconds(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    """F20: 2 KB/s carry thirty readings a second, and a live one must not wait behind five hundred."""
    outbox.put(measured(10_000), clock.ms)
    link.connect()
    courier.begin_session()
    confirmed = under_way = 0
    for _ in range(300):
        clock.pass_s(1)
        courier.send_waiting()
        courier.confirm([(confirmed + 1, confirmed + 30)])
        confirmed += 30
        under_way = max(link.seqs()[1:]) - confirmed
    assert WINDOW_LEAST / 2 < under_way < 200
    assert len(link.seqs()) == len(set(link.seqs())), "nothing was sent again while it was still under way"


def test_f39_the_window_opens_far_enough_for_a_days_backlog(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    """F39: 20,000 readings a second with confirmations that take a fifth of one."""
    outbox.put(measured(60_000), clock.ms)
    link.connect()
    courier.begin_session()
    for _ in range(20):
        while courier.has_more:
            courier.send_waiting()
        clock.pass_s(0.2)
        courier.confirm([(seq, seq) for seq in link.seqs()])
        link.published.clear()
        if not outbox.count:
            break
    assert outbox.count == 0
    assert courier._window.size == WINDOW_MOST


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
    poison = 3 * WINDOW_FIRST
    outbox.put(measured(poison + 50), clock.ms)
    link.connect()
    courier.begin_session()
    seen: set[int] = set()
    for _ in range(round(2 * PATIENCE_GROWTH * PATIENCE_S)):
        clock.pass_s(1)
        courier.send_waiting()
        sent = set(link.seqs())
        link.published.clear()
        courier.confirm([(seq, seq) for seq in sent if seq > poison])
        seen |= sent
    assert outbox.count == poison
    assert seen == set(range(1, poison + 51))


def test_repetition_slows_down_to_five_minutes_while_nobody_confirms(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put(measured(1), clock.ms))
    begun_s, sent_s = clock.elapsed_s, []
    for _ in range(3_600):
        wait(courier, clock, 1)
        sent_s += [clock.elapsed_s - begun_s] * len(link.published)
        link.published.clear()
    gaps = [round(b - a) for a, b in pairwise(sent_s[1:])]
    assert gaps[:4] == [60, 120, 240, 300]
    assert set(gaps[3:]) == {300}


def test_f31_nodes_that_were_silenced_together_do_not_all_repeat_at_once(
    open_outbox: Any, link: Any, clock: Any
) -> None:
    outbox = open_outbox()
    outbox.put(measured(1), clock.ms)
    link.connect()
    repeated_s = set()
    for n in range(20):
        courier = Courier("desk", outbox, link, clock, jitter=partial(operator.truediv, n, 20))
        courier.begin_session()
        courier.send_waiting()
        link.published.clear()
        begun_s = clock.elapsed_s
        while not link.published:
            clock.pass_s(0.1)
            courier.send_waiting()
        repeated_s.add(round(clock.elapsed_s - begun_s, 1))
    assert len(repeated_s) == 20
    assert PATIENCE_S < min(repeated_s) < max(repeated_s) < PATIENCE_S * (1 + JITTER) + 0.2


def test_f27_after_a_silence_any_confirmation_lets_everything_go_again_at_once(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    """F27: the broker's rules were wrong for an hour and have just been mended."""
    link.connect()
    courier.begin_session()
    courier.send_new(outbox.put(measured(1), clock.ms))
    wait(courier, clock, 3_600)
    assert (
        "nothing is confirmed: does ingest run, and may this device write sensors/desk/"
        in courier.problems()[0]
    )
    courier.send_new(outbox.put(measured(1), clock.ms))
    link.published.clear()
    courier.confirm([(2, 2)])
    assert courier.problems() == []
    wait(courier, clock, PATIENCE_S + 1)
    assert 1 in link.seqs()


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
    outbox.put(measured(450), clock.ms)
    link.connect()
    courier.begin_session()
    link.takes_at_most = 2
    courier.send_waiting()
    link.takes_at_most = None
    courier.send_waiting()
    assert sorted(link.seqs()) == list(range(1, 451))


def test_a_link_that_takes_no_more_is_not_asked_again_and_again_without_a_pause(
    courier: Courier, outbox: Outbox, link: Any, clock: Any
) -> None:
    outbox.put(measured(450), clock.ms)
    link.connect()
    courier.begin_session()
    link.takes_at_most = 1
    courier.send_waiting()
    assert not courier.has_more
    link.takes_at_most = None
    courier.send_waiting()
    assert len(link.seqs()) == 450


def test_an_array_has_a_bounded_count_and_size_and_one_unit() -> None:
    rows = [Row(1_795_260_000_000 + i, "t", "°C", 1_737_000_000_000 + i, i / 7) for i in range(2_000)]
    parcels = pack(rows)
    assert [seq for parcel in parcels for seq in parcel.seqs] == [row.seq for row in rows]
    for parcel in parcels:
        points = msgspec.json.decode(parcel.payload)
        assert len(points) == len(parcel.seqs) <= ARRAY_MAX
        assert len(parcel.payload) <= PAYLOAD_MAX_BYTES
        assert [point.get("unit") for point in points] == ["°C"] + [None] * (len(points) - 1)


def test_an_array_never_has_more_readings_than_agreed() -> None:
    rows = [Row(1, "t", "", 1, 1.0)] * 1_001
    assert [len(parcel.seqs) for parcel in pack(rows)] == [500, 500, 1]


def test_a_time_of_a_later_era_goes_as_microseconds_which_nobody_mistakes() -> None:
    (parcel,) = pack([Row(1, "t", "", 1_737_000_000_000, 1.0, era=3)])
    assert msgspec.json.decode(parcel.payload)["ts"] == 1_737_000_000_000_003
    assert parse_ts(1_737_000_000_000_003) == 1_737_000_000_000_003_000
