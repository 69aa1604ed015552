"""`$health`: how a node's outbox is, retained, for whoever wants to know whether readings get lost before they are sent."""

import msgspec

SOON_S = 10.0
"""A new problem is told at once, but a count that changes all the time only this often."""

WAITING_S = 60.0
WAITING_MANY = 100
"""How many wait is told each minute while they are many; a handful is on its way at any moment."""


PROBLEM_MAX_CHARS = 500
"""What the message contract allows."""


class Health(msgspec.Struct, omit_defaults=True, frozen=True):
    """What `$health` says. `refused` counts since the outbox was begun; `problem` is a sentence for people."""

    refused: int
    set_aside: int
    waiting: int
    outbox_bytes: int
    outbox_max_bytes: int
    problem: str = ""


class HealthReport:
    """Decides when health is worth telling again."""

    def __init__(self) -> None:
        self._told: Health | None = None
        self._told_s = float("-inf")

    def told(self, health: Health, now_s: float) -> None:
        """Note that it was published."""
        self._told, self._told_s = health, now_s

    def is_due(self, health: Health, now_s: float) -> bool:
        """Return True if `health` differs enough from what was told."""
        told = self._told
        if told is None or told.problem != health.problem:
            return True
        elapsed_s = now_s - self._told_s
        if (told.refused, told.set_aside) != (health.refused, health.set_aside):
            return elapsed_s >= SOON_S
        return (
            told.waiting != health.waiting
            and max(told.waiting, health.waiting) > WAITING_MANY
            and elapsed_s >= WAITING_S
        )
