"""What a row of the outbox's tables is."""

from typing import NamedTuple

from sensorline_node.timeline import ERAS


class Row(NamedTuple):
    """A reading that waits: its number, its metric and unit, milliseconds since 1970 (UTC), its value, its era."""

    seq: int
    metric: str
    unit: str
    time_ms: int
    value: float
    era: int = 0

    @property
    def ts(self) -> int:
        """The time for the wire: milliseconds, or microseconds where the era has to be told."""
        return self.time_ms * ERAS + self.era if self.era else self.time_ms


class Series(NamedTuple):
    """A metric, with what is known of it and the last time that the clock gave it."""

    id: int
    metric: str
    unit: str
    name: str
    last_ms: int
