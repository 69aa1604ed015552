"""Waiting in tests: for something, until a deadline, with a reason that a failure shows."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

POLL_S = 0.02


def wait_until(
    condition: Callable[[], _T],
    deadline_s: float,
    reason: str | Callable[[], str],
    *,
    every_s: float = POLL_S,
) -> _T:
    """Return the first true value of `condition`, asked every `every_s` seconds.

    Raises AssertionError with `reason` (text, or a function that tells it then) after `deadline_s` seconds.
    """
    begun_s = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() - begun_s > deadline_s:
            said = reason if isinstance(reason, str) else reason()
            raise AssertionError(f"waited {deadline_s:g} s for: {said} (last answer: {value!r})")
        time.sleep(every_s)


def stays_true(condition: Callable[[], bool], for_s: float, claim: str, *, every_s: float = POLL_S) -> None:
    """Check `condition` again and again for `for_s` seconds. Raises AssertionError with `claim` when it fails once."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        assert condition(), f"no longer true: {claim}"
        time.sleep(every_s)
