"""F16: clocks that stand, jump and are put right. No time is given twice, and order holds for as long as that does no harm."""

from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from sensorline_node.outbox import Outbox
from sensorline_node.rows import Row
from sensorline_node.sensors.base import Measurement
from sensorline_node.timeline import AHEAD_LIMIT_MS, ORDER_FIRST_S

HOUR_S = 3_600


class Device:
    """A node's clock and outbox: `wrong_s` is by how much the clock is off, `measure()` lets time pass and takes readings."""

    def __init__(self, open_outbox: Any, clock: Any) -> None:
        self.clock = clock
        self.open_outbox = open_outbox
        self.outbox: Outbox = open_outbox()
        self.wrong_s = 0.0

    def measure(self, seconds: int, every_s: int = 10) -> list[Row]:
        rows = []
        for _ in range(seconds // every_s):
            self.clock.pass_s(every_s)
            now_ms = self.clock.now_ms() + round(self.wrong_s * 1000)
            rows += self.outbox.put([Measurement("t", 1.0)], now_ms, self.clock.monotonic_s())
        return rows

    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self.open_outbox()

    def all_times_us(self) -> list[int]:
        return [row.time_ms * 1000 + row.era for row in self.outbox.after(0, 10**6)]


@pytest.fixture
def device(open_outbox: Any, clock: Any) -> Device:
    return Device(open_outbox, clock)


def is_increasing(times: list[int]) -> bool:
    return times == sorted(set(times))


def test_f16_a_clock_an_hour_back_for_some_minutes_keeps_the_order_and_then_all_is_as_before(
    device: Device,
) -> None:
    """F16: clock −1 h, put right before anybody could know which of both is true."""
    device.measure(600)
    device.wrong_s = -HOUR_S
    with capture_logs() as logs:
        device.measure(300)
    assert [entry["event"] for entry in logs] == ["clock_behind"]
    assert "the clock is 3,590 s behind" in device.outbox.problems(device.clock.monotonic_s())[0]
    device.wrong_s = 0
    (first, *_) = device.measure(600)
    assert is_increasing(device.all_times_us())
    assert (first.time_ms, first.era) == (device.clock.now_ms() - 590_000, 0)


def test_f16_a_clock_an_hour_ahead_is_followed_back_at_once_when_it_is_put_right(device: Device) -> None:
    """F16: clock +1 h for twenty minutes. Going on from there would date the next hour into the future, too."""
    device.measure(600)
    device.wrong_s = HOUR_S
    device.measure(1_200)
    device.wrong_s = 0
    with capture_logs() as logs:
        (first, *_) = device.measure(600)
    assert [entry["event"] for entry in logs] == ["clock_followed_back"]
    assert first.time_ms == device.clock.now_ms() - 590_000
    assert "was 3,590 s ahead and has been put right" in device.outbox.problems(device.clock.monotonic_s())[0]


def test_f16_a_clock_that_was_ahead_from_the_start_is_followed_back_after_ten_minutes(device: Device) -> None:
    """F16: nobody saw it jump, so for a while it may as well be wrong now, as after a power cut."""
    device.wrong_s = HOUR_S
    device.measure(600)
    device.restart()
    device.wrong_s = 0
    waiting = device.measure(round(ORDER_FIRST_S))
    assert is_increasing([row.time_ms for row in waiting])
    assert waiting[0].time_ms > device.clock.now_ms()
    (row, *_) = device.measure(10)
    assert (row.time_ms, row.era) == (device.clock.now_ms(), 1)


def test_f16_milliseconds_that_come_again_are_other_times(device: Device) -> None:
    """F16: the clock goes back to the very milliseconds that it has given before; nothing may be overwritten."""
    for wrong_s in (0, HOUR_S, 0, -HOUR_S, HOUR_S, 2 * HOUR_S, HOUR_S, 0):
        device.wrong_s = wrong_s
        device.measure(HOUR_S)
    times = device.all_times_us()
    assert len(times) == 8 * 360 == len(set(times))
    milliseconds = [time_us // 1000 for time_us in times]
    assert len(set(milliseconds)) < len(milliseconds), "the clocks did not meet: the test shows nothing"


def test_f16_eras_and_last_times_survive_a_restart(device: Device) -> None:
    device.measure(600)
    device.wrong_s = HOUR_S
    device.measure(1_200)
    device.wrong_s = 0
    device.measure(600)
    device.restart()
    with capture_logs() as logs:
        (row, *_) = device.measure(10)
    assert (row.time_ms, row.era) == (device.clock.now_ms(), 1)
    assert logs == []


def test_f16_daylight_saving_time_changes_nothing(device: Device) -> None:
    """F16: an hour that comes twice on the wall comes once in UTC, which is all that a node knows."""
    # 2026-10-25T00:59:50Z is ten seconds before clocks in Central Europe go back from 3 to 2.
    device.clock.ms = 1_793_062_790_000 - 10_000
    rows = device.measure(7_200)
    assert {b.time_ms - a.time_ms for a, b in pairwise(rows)} == {10_000}


def test_f16_a_clock_more_than_a_day_ahead_is_never_waited_for(device: Device) -> None:
    device.wrong_s = 400 * AHEAD_LIMIT_MS / 1000
    device.measure(10)
    device.restart()
    device.wrong_s = 0
    (row,) = device.measure(10)
    assert row.time_ms == device.clock.now_ms()


def test_small_corrections_are_nobodys_business(device: Device) -> None:
    with capture_logs() as logs:
        for wrong_s in (0, 0.4, -0.3, 2, -1.5):
            device.wrong_s = wrong_s
            device.measure(60, every_s=1)
    assert logs == []
    assert device.outbox.problems(device.clock.monotonic_s()) == []
    assert is_increasing(device.all_times_us())


def test_a_jump_forward_is_told_for_ten_minutes(device: Device) -> None:
    device.measure(60)
    device.wrong_s = HOUR_S
    device.measure(10)
    assert device.outbox.problems(device.clock.monotonic_s()) == ["the clock jumped 3,600 s forward"]
    device.measure(600)
    assert device.outbox.problems(device.clock.monotonic_s()) == []
