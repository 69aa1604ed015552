"""What a sensor is: something that opens, reads and closes, and says in words what it misses."""

import re
from typing import NamedTuple, Protocol, runtime_checkable

KNOWN_SENSORS = ("bme280", "host", "lm_sensors", "pi", "replay", "simulated")
"""Every name that NODE_SENSORS may contain."""


class Measurement(NamedTuple):
    """One value as a sensor gave it. Without `time_ns` (UTC nanoseconds) the node's clock says when it was.

    `name` is what people read on the page instead of the metric.
    """

    metric: str
    value: float
    unit: str = ""
    time_ns: int | None = None
    name: str | None = None


class Sensor(Protocol):
    """A source of measurements. Every method may raise SensorError; the node then tries again later."""

    name: str
    is_simulated: bool

    def open(self) -> None:
        """Find the hardware, the program or the file. Called again after a failure."""

    def read(self) -> list[Measurement]:
        """Return what there is now; called once an interval."""

    def close(self) -> None:
        """Give everything back; never raises, also when nothing was open."""


@runtime_checkable
class PacedSensor(Sensor, Protocol):
    """A sensor with a rhythm of its own, which loses nothing when it is read later: a file, not a moment."""

    def ready_in_s(self) -> float | None:
        """Return the seconds until read() has something new, or None if it never will again."""


def slug(text: str) -> str:
    """Return a label as a part of a metric name: lower case, and `_` for everything that is no letter or digit."""
    return re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_") or "unnamed"
