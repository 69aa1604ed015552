"""The series that ingest knows, for both of its threads.

The committing thread owns `committed_ns`, the forwarder all else of a series. New ones are added by either, inside a transaction of
the local file, whose lock they hold then.
"""

from collections.abc import Iterable

from sensorline.reading import Series
from sensorline.stores.influxdb.names import line_key

NEVER_NS = -(2**63)
"""The newest time of a series without readings."""

NO_OLDEST_NS = 2**63 - 1


class KnownSeries:
    """What is known of a series. `oldest_ns` … `newest_ns` is the span outside of which no reading was ever placed.

    `committed_ns` is at least the newest time at which its committed readings are or will be placed; `committed_number` is the newest
    entry with some of them, as far as that matters to a change of bucket. `text` begins each of its lines.
    """

    __slots__ = (
        "committed_ns",
        "committed_number",
        "id",
        "is_unsaved",
        "key",
        "marked_until_ns",
        "newest_ns",
        "newest_value",
        "oldest_ns",
        "series",
        "text",
        "told_ns",
    )

    def __init__(
        self,
        series_id: int,
        series: Series,
        oldest_ns: int = NO_OLDEST_NS,
        newest_ns: int = NEVER_NS,
        newest_value: float = 0.0,
    ) -> None:
        self.id = series_id
        self.series = series
        self.key = line_key(*series)
        self.text = f"{self.key.decode()} value="
        self.oldest_ns = oldest_ns
        self.newest_ns = self.committed_ns = newest_ns
        self.newest_value = newest_value
        self.marked_until_ns = NEVER_NS
        """The end of the newest reading's minute, if that is on the list of what is to be rolled up."""
        self.is_unsaved = False
        self.committed_number = 0
        self.told_ns = NEVER_NS
        """The time of the newest reading that readers were told of ahead of its delivery."""

    def forget(self) -> None:
        """Be a series without readings, but for those that are committed and not placed yet."""
        self.oldest_ns, self.newest_ns, self.newest_value = NO_OLDEST_NS, NEVER_NS, 0.0
        self.marked_until_ns = self.told_ns = NEVER_NS
        self.is_unsaved = False


class Registry:
    """Every known series, by its name and by its number."""

    def __init__(self, rows: Iterable[tuple[int, str, str, int, int, float]] = ()) -> None:
        self.by_series: dict[Series, KnownSeries] = {}
        self.by_id: dict[int, KnownSeries] = {}
        self._newest_id = 0
        for series_id, device, metric, oldest_ns, newest_ns, value in rows:
            self._put(KnownSeries(series_id, Series(device, metric), oldest_ns, newest_ns, value))

    def _put(self, known: KnownSeries) -> None:
        self.by_series[known.series] = self.by_id[known.id] = known
        self._newest_id = max(self._newest_id, known.id)

    def add(self, series: Series) -> KnownSeries:
        """Return a new series without readings. Raises StoreUnavailable for a name that InfluxDB cannot hold."""
        known = KnownSeries(self._newest_id + 1, series)
        self._put(known)
        return known

    def remove(self, added: Iterable[KnownSeries]) -> None:
        """Forget series that were not saved after all."""
        for known in added:
            del self.by_series[known.series], self.by_id[known.id]
