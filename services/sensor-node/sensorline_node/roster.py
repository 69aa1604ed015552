"""The roster: every sensor of a node with its own timetable and its own troubles."""

import math
from collections.abc import Sequence

import structlog

from sensorline.errors import Rejected, SensorError
from sensorline.topics import check_metric
from sensorline_node.sensors.base import Measurement, PacedSensor, Sensor

log = structlog.get_logger()

RETRY_S = 5.0
RETRY_MAX_S = 300.0
"""A sensor that failed is tried again after 5 s, then 10 s … 5 minutes."""


class _Seat:
    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.paced = sensor if isinstance(sensor, PacedSensor) else None
        self.is_open = False
        self.is_failing = False
        self.has_ended = False
        self.due_s = -math.inf
        self.retry_s = RETRY_S
        self.complained: set[str] = set()


class Roster:
    """Reads each sensor when it is due. A sensor that fails is closed, reported once and tried again with back-off."""

    def __init__(self, sensors: Sequence[Sensor], interval_s: float) -> None:
        self._seats = [_Seat(sensor) for sensor in sensors]
        self._interval_s = interval_s

    @property
    def is_simulated(self) -> bool:
        """True if any sensor invents its values."""
        return any(seat.sensor.is_simulated for seat in self._seats)

    @property
    def has_ended(self) -> bool:
        """True when no sensor will ever have anything new (a file that was replayed to its end)."""
        return all(seat.has_ended for seat in self._seats)

    def due_in_s(self, now_s: float, *, takes_paced: bool = True) -> float:
        """Return the seconds until a sensor is due; 0 if one is now. Without `takes_paced`, paced ones are not asked."""
        times = [
            seat.due_s for seat in self._seats if not seat.has_ended and (takes_paced or seat.paced is None)
        ]
        return max(0.0, min(times, default=math.inf) - now_s)

    def read_due(self, now_s: float, *, takes_paced: bool = True) -> list[Measurement]:
        """Return what the sensors that are due measured. `takes_paced` False leaves paced ones for later."""
        out: list[Measurement] = []
        for seat in self._seats:
            if seat.has_ended or seat.due_s > now_s or (seat.paced is not None and not takes_paced):
                continue
            try:
                if not seat.is_open:
                    seat.sensor.open()
                    seat.is_open = True
                measured = seat.sensor.read()
                self._plan(seat, now_s)
            except SensorError as exc:
                self._failed(seat, now_s, exc.detail)
            except Exception as exc:  # noqa: BLE001 - a driver may raise anything; the other sensors must go on
                self._failed(seat, now_s, f"{type(exc).__name__}: {exc}")
            else:
                self._succeeded(seat)
                out += [m for m in measured if self._is_usable(seat, m)]
        return out

    def close(self) -> None:
        """Close every sensor that is open."""
        for seat in self._seats:
            self._close(seat)

    def _plan(self, seat: _Seat, now_s: float) -> None:
        if seat.paced is not None:
            ready_in_s = seat.paced.ready_in_s()
            if ready_in_s is None:
                seat.has_ended = True
                self._close(seat)
            else:
                seat.due_s = now_s + ready_in_s
            return
        # A fixed beat; after a pause (a suspended machine) it begins anew instead of catching up.
        seat.due_s += self._interval_s
        if not now_s < seat.due_s <= now_s + self._interval_s:
            seat.due_s = now_s + self._interval_s

    def _failed(self, seat: _Seat, now_s: float, detail: str) -> None:
        self._close(seat)
        if not seat.is_failing:
            seat.is_failing = True
            log.warning("sensor_failed", sensor=seat.sensor.name, detail=detail, next_try_s=seat.retry_s)
        seat.due_s = now_s + seat.retry_s
        seat.retry_s = min(2 * seat.retry_s, RETRY_MAX_S)

    def _succeeded(self, seat: _Seat) -> None:
        seat.retry_s = RETRY_S
        if seat.is_failing:
            seat.is_failing = False
            log.info("sensor_works_again", sensor=seat.sensor.name)

    def _is_usable(self, seat: _Seat, m: Measurement) -> bool:
        try:
            check_metric(m.metric)
        except Rejected as exc:
            problem = exc.detail
        else:
            if math.isfinite(m.value):
                return True
            problem = f"{m.value} is not a number that can be stored"
        if m.metric not in seat.complained:
            seat.complained.add(m.metric)
            log.warning("measurement_dropped", sensor=seat.sensor.name, metric=m.metric[:40], detail=problem)
        return False

    def _close(self, seat: _Seat) -> None:
        seat.is_open = False
        try:
            seat.sensor.close()
        except Exception as exc:  # noqa: BLE001 - closing is a courtesy; whatever it raises must not end the node
            log.debug("sensor_close_failed", sensor=seat.sensor.name, detail=str(exc))
