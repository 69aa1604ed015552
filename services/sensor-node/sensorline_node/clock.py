"""The two clocks of a node: one for the time of a reading, one for how long something took."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the node wants to know of time; tests bring their own."""

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since 1970, UTC. It may jump."""

    def monotonic_s(self) -> float:
        """Return seconds since some fixed moment. It never jumps."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Return the time of day in whole milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()
