"""A clock for upkeep that one wrong step of the system's clock cannot lead to delete everything."""

import time
from collections.abc import Callable

JUMP_NS = 60 * 10**9
BELIEVED_AFTER_NS = 6 * 3600 * 10**9


class CautiousClock:
    """The system's clock, but for a jump forward: that is believed after six hours.

    A machine without a battery for its clock starts in the past and jumps when it finds the time: upkeep is then
    late for some hours, and answers stay right meanwhile. The other way round, retention would delete what is young.
    """

    def __init__(
        self, wall_ns: Callable[[], int] = time.time_ns, steady_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._offset_ns = wall_ns() - steady_ns()
        self._jumped_at_ns: int | None = None

    def now_ns(self) -> int:
        """Return nanoseconds since 1970 as far as they can be trusted."""
        wall_ns, steady_ns = self._wall_ns(), self._steady_ns()
        expected_ns = steady_ns + self._offset_ns
        if wall_ns <= expected_ns + JUMP_NS:
            self._jumped_at_ns = None
            # Small differences are the clock being disciplined, and a step back can delete nothing.
            self._offset_ns = wall_ns - steady_ns
            return wall_ns
        if self._jumped_at_ns is None:
            self._jumped_at_ns = steady_ns
        if steady_ns - self._jumped_at_ns >= BELIEVED_AFTER_NS:
            self._offset_ns = wall_ns - steady_ns
            return wall_ns
        return expected_ns
