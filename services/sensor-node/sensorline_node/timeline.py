"""The timeline: what time a reading gets when the clock stands, jumps, or was wrong.

Times of a series strictly increase. While the clock is behind the newest reading they go on a millisecond at a time, because
a clock that is behind is mostly one that has not been set yet, after a power cut for example, and will be right in minutes. Order
ends where keeping it would do more harm: a clock that ran ahead and was put right would otherwise date every reading into the
future until the time it had invented has come, and ingest refuses what is in the future. So the clock is followed back

- at once, if it returns to where it would be without its last jump forward, or if it is more than a day behind;
- else when it has been behind for ten minutes.

Each time the clock is followed back an era begins. Its number is added to the times as microseconds, so a time is never given
twice although the same milliseconds come again: nothing that is stored is overwritten or taken for a repetition.
"""

import structlog

log = structlog.get_logger()

ORDER_FIRST_S = 600.0
"""How long order goes before the clock: time enough for a network and its time service to come up after a start."""

AHEAD_LIMIT_MS = 86_400_000
"""A series whose last time is more than a day ahead was written by a wrong clock."""

NOTICED_MS = 5_000
"""Time services correct less than this all the time (chrony and ntpd step by tenths of a second): nobody needs to know."""

ERAS = 1_000
"""As many as there are microseconds in a millisecond; then the first one comes again."""


class Timeline:
    """Judges the clock before each putting into the outbox. `era` is the one that the outbox has got to."""

    def __init__(self, era: int) -> None:
        self.era = era
        self._offset_ms: float | None = None
        self._jumped_ms = 0.0
        self._behind_since_s: float | None = None
        self._noticed_s = float("-inf")
        self._notice = ""

    def follows_back(self, now_ms: int, newest_ms: int, monotonic_s: float) -> bool:
        """Return True if times have to follow the clock back behind `newest_ms`, the newest time that it has given.

        Call it once for each putting, with both clocks; begin an era (`begin_era`) when it says so.
        """
        is_undone = self._undoes_a_jump(now_ms, monotonic_s)
        behind_ms = newest_ms - now_ms
        if behind_ms <= 0:
            self._behind_since_s = None
            return False
        if is_undone:
            self._behind_since_s = float("-inf")
        elif self._behind_since_s is None:
            self._behind_since_s = monotonic_s
            if behind_ms > NOTICED_MS:
                self._note(
                    monotonic_s,
                    f"the clock is {_seconds(behind_ms)} behind the newest reading; times go on from there",
                )
                log.warning("clock_behind", behind_s=behind_ms / 1000, detail=self._notice)
        return behind_ms >= AHEAD_LIMIT_MS or monotonic_s - self._behind_since_s >= ORDER_FIRST_S

    def begin_era(self, era: int, now_ms: int, newest_ms: int, monotonic_s: float) -> None:
        """Note that times have followed the clock back, and that this is durable."""
        self.era = era
        self._behind_since_s = None
        self._note(
            monotonic_s,
            f"the clock was {_seconds(newest_ms - now_ms)} ahead and has been put right; readings of that time have times in"
            " the future",
        )
        log.warning("clock_followed_back", ahead_s=(newest_ms - now_ms) / 1000, era=era, detail=self._notice)

    def problem(self, monotonic_s: float) -> str:
        """Return a sentence on the clock if it was noticed in the last ten minutes, else nothing."""
        return self._notice if monotonic_s - self._noticed_s < ORDER_FIRST_S else ""

    def _undoes_a_jump(self, now_ms: int, monotonic_s: float) -> bool:
        """Compare both clocks; True if the one of the day went back by what it had jumped forward."""
        offset_ms = now_ms - monotonic_s * 1000
        before_ms, self._offset_ms = self._offset_ms, offset_ms
        jump_ms = 0.0 if before_ms is None else offset_ms - before_ms
        if jump_ms > NOTICED_MS:
            self._jumped_ms = jump_ms
            log.warning("clock_jumped_forward", by_s=round(jump_ms / 1000, 1))
            self._note(monotonic_s, f"the clock jumped {_seconds(jump_ms)} forward")
        if jump_ms >= -NOTICED_MS or not self._jumped_ms:
            return False
        is_undone = abs(self._jumped_ms + jump_ms) <= NOTICED_MS
        self._jumped_ms = 0.0
        return is_undone

    def _note(self, monotonic_s: float, notice: str) -> None:
        self._noticed_s, self._notice = monotonic_s, notice


def _seconds(ms: float) -> str:
    return f"{ms / 1000:,.0f} s"
