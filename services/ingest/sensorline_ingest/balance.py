"""What was taken in is held against what the store says it has: a difference that stays is told."""

from typing import Final

import structlog

from sensorline_ingest.metrics import IngestMetrics

log = structlog.get_logger()

CHECK_EVERY_S: Final = 1.0
TOLD_AFTER_S: Final = 60.0


class Balance:
    """Shows readings that are unaccounted for, and warns once when there are some for a minute."""

    def __init__(self, metrics: IngestMetrics) -> None:
        self._gauge = metrics.unaccounted
        self._checked_s: float | None = None
        self._since_s: float | None = None
        self._is_told = False

    def is_due(self, now_s: float) -> bool:
        """Whether the store is to be asked again; times are monotonic."""
        return self._checked_s is None or now_s - self._checked_s >= CHECK_EVERY_S

    def note(self, unaccounted: int, now_s: float) -> None:
        """So many readings were taken and are nowhere; below 0, the store has more than were taken."""
        self._checked_s = now_s
        self._gauge.set(unaccounted)
        if not unaccounted:
            self._since_s, self._is_told = None, False
            return
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= TOLD_AFTER_S and not self._is_told:
            self._is_told = True
            log.warning(
                "readings_unaccounted",
                readings=unaccounted,
                detail="what was taken is not what the store, the rejected and the discarded amount to, for a minute now;"
                " check the store: sensorline store check",
            )
