"""A room that does not exist: temperature, humidity, pressure and CO₂ over a day, for trying things out.

Every value is a function of the seed and the time alone: a node that restarts goes on with the same curve.
"""

import hashlib
import math
import time
from collections.abc import Callable

from sensorline_node.sensors.base import Measurement

DAY_S = 86_400.0


class SimulatedSensor:
    """An office by seed. `now_s` gives seconds since 1970; the day is counted in UTC."""

    name = "simulated"
    is_simulated = True

    def __init__(self, seed: int = 1, now_s: Callable[[], float] = time.time) -> None:
        self._seed = seed
        self._now_s = now_s

    def open(self) -> None:
        """Nothing can be missing."""

    def read(self) -> list[Measurement]:
        """Return the four values at this moment."""
        now_s = self._now_s()
        # Warmest at 15:00, coldest at 03:00; sun and heating together make about 3 °C.
        warmth = math.cos(2 * math.pi * (now_s / DAY_S - 15 / 24))
        drift = self._weather("temperature", now_s, period_s=3 * 3600.0)
        temperature = 21.3 + 1.5 * warmth + 0.7 * drift + self._noise("temperature", now_s, 0.04)
        # The same water in warmer air is a lower relative humidity.
        humidity = 45.0 - 5.0 * warmth + 6.0 * self._weather("humidity", now_s, period_s=8 * 3600.0)
        humidity += self._noise("humidity", now_s, 0.15)
        pressure = 1014.0 + 14.0 * self._weather("pressure", now_s, period_s=1.5 * DAY_S)
        pressure += self._noise("pressure", now_s, 0.03)
        people = self._presence(now_s) * (0.75 + 0.25 * self._weather("people", now_s, period_s=2400.0))
        co2 = 430.0 + 650.0 * people + self._noise("co2", now_s, 4.0)
        return [
            Measurement("temperature", round(temperature, 2), "°C", name="Temperature"),
            Measurement("humidity", round(min(100.0, max(0.0, humidity)), 2), "%", name="Humidity"),
            Measurement("pressure", round(pressure, 2), "hPa", name="Air pressure"),
            Measurement("co2", round(co2, 1), "ppm", name="CO₂"),
        ]

    def close(self) -> None:
        """Nothing was open."""

    def _presence(self, now_s: float) -> float:
        """How full the room is, 0…1: it fills from 08:00, empties from 17:00, with a dip at noon."""
        hour = now_s % DAY_S / 3600.0
        at_work = _step(hour, 8.5) * (1 - _step(hour, 17.5))
        at_lunch = math.exp(-((hour - 12.6) ** 2) / 0.3)
        return at_work * (1 - 0.6 * at_lunch)

    def _weather(self, what: str, now_s: float, *, period_s: float) -> float:
        """A smooth course between -1 and 1 through one random point for each period."""
        position = now_s / period_s
        left = math.floor(position)
        part = position - left
        part = part * part * (3 - 2 * part)
        return self._random(what, left) * (1 - part) + self._random(what, left + 1) * part

    def _noise(self, what: str, now_s: float, size: float) -> float:
        """What a real sensor trembles: at most ±`size`, another value each 100 ms."""
        return size * self._random(f"{what} noise", math.floor(now_s * 10))

    def _random(self, what: str, i: int) -> float:
        digest = hashlib.blake2b(f"{self._seed}/{what}/{i}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") / 2**31 - 1


def _step(hour: float, at: float) -> float:
    """From 0 to 1 around an hour of the day, within about an hour."""
    return 1 / (1 + math.exp(-5 * (hour - at)))
