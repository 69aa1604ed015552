"""What the store had already when tracking began to count: what is counted since is added to it."""

import structlog

from sensorline.stores.base import WriterState
from sensorline_ingest.tracking.books import Totals
from sensorline_ingest.tracking.sharing import share

log = structlog.get_logger()


def unsaid_repetitions(
    totals: Totals, stored: int, last: dict[str, int], kept: dict[str, int]
) -> dict[str, int]:
    """Return what the process before had no time to note: how many readings of its last commit were repetitions, by device.

    The store has `stored` readings, known repetitions that are not noted included; `last` says how many of each device were in that commit, and `kept` how many of them it
    stored. More than that commit can explain is no repetition.
    """
    unsaid = totals.readings - totals.repeated - (stored - totals.begins_at)
    if totals.begins_at < 0 or not 0 < unsaid <= sum(last.values()):
        return {}
    own = {d: count - kept.get(d, 0) for d, count in last.items() if count > kept.get(d, 0)}
    return own if sum(own.values()) == unsaid else share(unsaid, {}, last)


def repetitions_beyond(accepted: int, discarded: int, state: WriterState) -> int:
    """Return how many readings a store beyond has found to be repetitions and nobody had noted at a kill. It is logged.

    Such a store finds them at the delivery, with those of other commits: whose they were is not known any more.
    """
    unsaid = accepted - discarded - state.readings - state.undecided - state.dead_letters
    if unsaid > 0:
        log.warning(
            "repetitions_not_noted",
            readings=unsaid,
            detail="taken before the last stop and not stored: they count as repetitions, of no device",
        )
    return max(unsaid, 0)


class Baseline:
    """Readings and rejected messages of before. What the books do not know of them yet is to be said with the next notes."""

    def __init__(self, readings: int | None, rejects: int | None) -> None:
        self._readings, self._rejects = readings, rejects

    @classmethod
    def of(cls, totals: Totals, state: WriterState) -> "Baseline":
        """Return what is to be said: nothing, if the books know it."""
        readings = rejects = None
        if totals.begins_at < 0:
            readings = max(state.readings + state.undecided + totals.repeated - totals.readings, 0)
        if totals.rejects < 0:
            rejects = state.dead_letters
        return cls(readings, rejects)

    def over(self, totals: Totals) -> int:
        """Return how many there were of both, and how many messages were rejected since."""
        readings = totals.begins_at if self._readings is None else self._readings
        return readings + max(totals.rejects, 0) + (self._rejects or 0)

    def take(self) -> tuple[int | None, int | None]:
        """Return what is to be said now of readings and rejects. After this, it has been said."""
        said = self._readings, self._rejects
        self._readings = self._rejects = None
        return said
