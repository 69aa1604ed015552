"""The roster: one sensor's trouble is its own, said once."""

import math

import pytest
from structlog.testing import capture_logs

from sensorline.errors import SensorError
from sensorline_node.roster import Roster
from sensorline_node.sensors.base import Measurement


class Thermometer:
    """Works, or raises what the test gives it."""

    is_simulated = False

    def __init__(self, name: str = "thermometer", trouble: Exception | None = None) -> None:
        self.name = name
        self.trouble = trouble
        self.opened = self.closed = self.tries = 0
        self.value = 21.5
        self.metric = "temperature"

    def open(self) -> None:
        self.tries += 1
        if self.trouble:
            raise self.trouble
        self.opened += 1

    def read(self) -> list[Measurement]:
        if self.trouble:
            raise self.trouble
        return [Measurement(self.metric, self.value)]

    def close(self) -> None:
        self.closed += 1


class Tape:
    """A paced sensor with three values, ten seconds apart."""

    name = "tape"
    is_simulated = True

    def __init__(self) -> None:
        self.left = [1.0, 2.0, 3.0]

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Measurement]:
        return [Measurement("t", self.left.pop(0))]

    def ready_in_s(self) -> float | None:
        return 10.0 if self.left else None


@pytest.mark.parametrize(
    "trouble", [SensorError("b", "no bus"), OSError(5, "I/O error"), ZeroDivisionError("driver bug")]
)
def test_a_failing_sensor_does_not_stop_the_others(trouble: Exception) -> None:
    roster = Roster([Thermometer("b", trouble), Thermometer("a")], 2.0)
    assert [m.value for m in roster.read_due(0.0)] == [21.5]


def test_a_failing_sensor_is_reported_once_and_tried_again_ever_more_rarely() -> None:
    sensor = Thermometer(trouble=SensorError("thermometer", "the bus is missing"))
    roster = Roster([sensor], 2.0)
    with capture_logs() as logs:
        for second in range(1_000):
            roster.read_due(float(second))
    assert [(entry["event"], entry["detail"]) for entry in logs] == [("sensor_failed", "the bus is missing")]
    # At once, then after 5, 10, 20, 40, 80, 160, 300 and 300 s.
    assert sensor.tries == 9


def test_a_sensor_that_comes_back_is_read_at_its_interval_again() -> None:
    sensor = Thermometer(trouble=SensorError("thermometer", "unplugged"))
    roster = Roster([sensor], 2.0)
    roster.read_due(0.0)
    sensor.trouble = None
    with capture_logs() as logs:
        assert roster.read_due(4.9) == []
        assert len(roster.read_due(5.0)) == 1
    assert [entry["event"] for entry in logs] == ["sensor_works_again"]
    assert roster.due_in_s(5.0) == 2.0


def test_a_sensor_that_fails_while_reading_is_closed_and_opened_anew() -> None:
    sensor = Thermometer()
    roster = Roster([sensor], 2.0)
    roster.read_due(0.0)
    sensor.trouble = OSError("gone")
    roster.read_due(2.0)
    assert sensor.closed == 1
    sensor.trouble = None
    roster.read_due(7.0)
    assert sensor.opened == 2


def test_sensors_keep_their_beat_when_a_turn_comes_late() -> None:
    roster = Roster([Thermometer()], 2.0)
    assert [second / 10 for second in range(100) if roster.read_due(second / 10)] == [0, 2, 4, 6, 8]
    assert len(roster.read_due(10.7)) == 1
    assert roster.due_in_s(10.7) == pytest.approx(1.3)


def test_after_a_long_pause_nothing_is_caught_up() -> None:
    roster = Roster([Thermometer()], 2.0)
    roster.read_due(0.0)
    assert len(roster.read_due(3_600.5)) == 1
    assert roster.due_in_s(3_600.5) == 2.0


@pytest.mark.parametrize(("metric", "value"), [("t", math.nan), ("t", math.inf), ("a/b", 1.0), ("", 1.0)])
def test_a_value_that_cannot_be_stored_is_dropped_and_said_once(metric: str, value: float) -> None:
    sensor = Thermometer()
    sensor.metric, sensor.value = metric, value
    roster = Roster([sensor], 1.0)
    with capture_logs() as logs:
        assert [roster.read_due(float(second)) for second in range(3)] == [[], [], []]
    assert [entry["event"] for entry in logs] == ["measurement_dropped"]


def test_a_paced_sensor_has_its_own_rhythm_and_an_end() -> None:
    roster = Roster([Tape()], 2.0)
    seconds = [second for second in range(60) if roster.read_due(float(second))]
    assert seconds == [0, 10, 20]
    assert roster.has_ended
    assert roster.due_in_s(60.0) == math.inf


def test_a_paced_sensor_waits_without_loss_while_it_is_not_wanted() -> None:
    roster = Roster([Tape(), Thermometer()], 2.0)
    assert [m.metric for m in roster.read_due(0.0, takes_paced=False)] == ["temperature"]
    assert [m.metric for m in roster.read_due(1.0)] == ["t"]
    assert roster.is_simulated
