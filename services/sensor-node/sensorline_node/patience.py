"""Patience: how long a reading waits for its confirmation before it goes again."""

from collections.abc import Callable

import structlog

log = structlog.get_logger()

PATIENCE_S = 30.0
PATIENCE_GROWTH = 10
JITTER = 0.25
"""A reading that nobody confirms goes again after 30 s, then 60 s … 5 minutes, each up to a quarter longer, until something
is confirmed: a broker whose ingest is away all night is not filled with copies, and nodes that were silenced together do not all
speak at once."""


class Patience:
    """`s` seconds from `least_s` to PATIENCE_GROWTH times as many. `jitter` returns numbers from 0 to 1."""

    def __init__(self, least_s: float, jitter: Callable[[], float], now_s: float) -> None:
        self._least_s = least_s
        self._jitter = jitter
        self._heard_s = now_s
        self.is_unheard = False
        """True after a silence in which nothing at all was confirmed, although readings were sent."""
        self.reset()

    def reset(self) -> None:
        """Begin with the least."""
        self._set(self._least_s)

    def _set(self, plain_s: float) -> None:
        self._plain_s = plain_s
        self.s = plain_s * (1 + JITTER * self._jitter())

    def confirmed(self, waiting: int, now_s: float, *, is_repeated: bool) -> None:
        """Note a confirmation. `is_repeated`: of a reading that was sent again, or that nobody waited for any more.

        That helps, so others may follow soon; any does after a silence. Otherwise new readings prove nothing about old ones.
        """
        if is_repeated or self.is_unheard:
            if self._plain_s > self._least_s:
                log.info("readings_confirmed_again", waiting=waiting)
            self.reset()
        self.is_unheard = False
        self._heard_s = now_s

    def expired(self, waiting: int, now_s: float) -> None:
        """Note that readings waited too long."""
        if now_s - self._heard_s >= self._least_s:
            self.is_unheard = True
        if self._plain_s == self._least_s:
            log.warning(
                "readings_not_confirmed",
                waiting=waiting,
                detail=f"sent {self.s:.0f} s ago; kept and sent again. Does ingest run, may this device publish?",
            )
        self._set(min(2 * self._plain_s, PATIENCE_GROWTH * self._least_s))
