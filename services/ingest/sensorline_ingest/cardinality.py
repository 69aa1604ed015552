"""A bound on the number of series: a device that invents names must not fill the disk or the page."""

from collections.abc import Iterable

from sensorline.errors import Rejected
from sensorline.reading import DeviceFacts, Series


class Cardinality:
    """Knows every series and admits new ones up to the limits."""

    def __init__(self, known: Iterable[Series], max_series: int, max_metrics_per_device: int) -> None:
        self._max_series = max_series
        self._max_metrics = max_metrics_per_device
        self._known: set[Series] = set()
        self._metrics_of: dict[str, int] = {}
        self._silent: set[str] = set()
        for series in known:
            self._add(series)

    def _add(self, series: Series) -> None:
        self._known.add(series)
        self._metrics_of[series.device] = self._metrics_of.get(series.device, 0) + 1

    def admit(self, series: Series) -> None:
        """Let a series in. Raises Rejected (`too_many_metrics`, `too_many_series`)."""
        if series in self._known:
            return
        if self._metrics_of.get(series.device, 0) >= self._max_metrics:
            raise Rejected(
                "too_many_metrics",
                f"{series.device} has {self._max_metrics:,} metrics already (INGEST_MAX_METRICS_PER_DEVICE);"
                f" {series.metric!r} is one more",
            )
        if len(self._known) >= self._max_series:
            raise Rejected(
                "too_many_series", f"there are {self._max_series:,} series already (INGEST_MAX_SERIES)"
            )
        self._add(series)

    def admit_facts(self, facts: DeviceFacts) -> None:
        """Let a device's facts in; a device without readings counts as a series. Raises Rejected (`too_many_series`)."""
        if facts.device not in self._metrics_of and facts.device not in self._silent:
            if len(self._known) + len(self._silent) >= self._max_series:
                raise Rejected(
                    "too_many_series", f"there are {self._max_series:,} series already (INGEST_MAX_SERIES)"
                )
            self._silent.add(facts.device)
