"""Entries of the journal become lines: each reading's time is settled, and what its arrival makes to do is noted.

A reading newer than all of its series, or older, has its time for itself. For one in between InfluxDB is asked what is there
(instants): late data, repetitions, another value at a time already taken.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import lt

import msgspec

from sensorline.reading import Settled
from sensorline.stores.buckets import MINUTE_NS
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.instants import Instant, Instants
from sensorline.stores.influxdb.known import KnownSeries, Registry
from sensorline.stores.influxdb.outbox import Item
from sensorline.stores.influxdb.todo import Window


class Placed(msgspec.Struct):
    """What entries amount to. `between` are readings whose times are not settled yet; `minutes` are new on the list."""

    items: list[Item]
    lines: list[str] = []
    count: int = 0
    """How many readings the lines are."""
    minutes: set[Window] = set()
    touched: list[KnownSeries] = []
    """Series that have changed since they were saved; a series is in here or in an earlier one once."""
    between: list[Instant] = []
    settled: Settled | None = None
    """What was decided about readings that commits left undecided; None until their times are settled."""

    @property
    def number(self) -> int:
        """The last entry's number."""
        return self.items[-1].number


class Placing:
    """Places entries in their order. It never fails for what has its time for itself; `settle` asks InfluxDB."""

    def __init__(self, registry: Registry, connection: Connection, bucket: str) -> None:
        self._registry = registry
        self._connection = connection
        self._bucket = bucket

    def place(self, items: Sequence[Item]) -> Placed:
        """Place entries. Until what comes of it was delivered, no others may be placed."""
        placed = Placed(list(items))
        for item in items:
            entry = item.entry
            first = 0
            for series_id, count in zip(entry.series_ids, entry.counts, strict=True):
                behind = first + count
                self._place_group(
                    placed,
                    self._registry.by_id[series_id],
                    entry.times_ns[first:behind],
                    entry.values[first:behind],
                )
                first = behind
        return placed

    def _place_group(
        self, placed: Placed, known: KnownSeries, times_ns: Sequence[int], values: Sequence[float]
    ) -> None:
        newest_ns = known.newest_ns
        if times_ns[0] <= newest_ns or not all(map(lt, times_ns, times_ns[1:])):
            self._place_singly(placed, known, times_ns, values)
            return
        text = known.text
        if len(times_ns) == 1:
            placed.lines.append(f"{text}{values[0]!r} {times_ns[0]}\n")
        else:
            placed.lines += [f"{text}{v!r} {t}\n" for v, t in zip(values, times_ns, strict=True)]
        placed.count += len(times_ns)
        known.newest_ns, known.newest_value = times_ns[-1], values[-1]
        if times_ns[0] < known.oldest_ns:
            known.oldest_ns = times_ns[0]
        if not known.is_unsaved:
            known.is_unsaved = True
            placed.touched.append(known)
        minute = times_ns[-1] // MINUTE_NS
        if times_ns[0] // MINUTE_NS != minute:
            placed.minutes.update((known.id, t // MINUTE_NS) for t in times_ns)
        elif minute != known.marked_minute:
            placed.minutes.add((known.id, minute))
        known.marked_minute = minute

    def _place_singly(
        self, placed: Placed, known: KnownSeries, times_ns: Iterable[int], values: Iterable[float]
    ) -> None:
        for time_ns, value in zip(times_ns, values, strict=True):
            if known.oldest_ns <= time_ns <= known.newest_ns:
                placed.between.append((known.series, time_ns, value))
            else:
                self._put(placed, known, time_ns, value)

    def _put(self, placed: Placed, known: KnownSeries, time_ns: int, value: float) -> None:
        if time_ns > known.newest_ns:
            known.newest_ns, known.newest_value = time_ns, value
        known.oldest_ns = min(known.oldest_ns, time_ns)
        if not known.is_unsaved:
            known.is_unsaved = True
            placed.touched.append(known)
        placed.minutes.add((known.id, time_ns // MINUTE_NS))
        placed.lines.append(f"{known.text}{value!r} {time_ns}\n")
        placed.count += 1

    def settle(self, placed: Placed) -> None:
        """Find times for the readings in between, once. Raises StoreUnavailable; then nothing has changed."""
        if placed.settled is not None:
            return
        undecided = sum(item.undecided for item in placed.items)
        readings = sum(len(item.entry.values) for item in placed.items)
        repeated = shifted = 0
        if placed.between:
            kept, repeated, shifted = self._find_times(placed)
            for series, time_ns, value in kept:
                self._put(placed, self._registry.by_series[series], time_ns, value)
        # What commits did not leave undecided they have counted as stored.
        placed.settled = Settled(placed.count - (readings - undecided), repeated, shifted)

    def _find_times(self, placed: Placed) -> tuple[list[Instant], int, int]:
        """Return the readings in between that are new, at the times they get; how many are not; how many got another time."""
        instants = Instants(self._connection, self._bucket)
        instants.look_up(placed.between)
        # Those of the same entries that have their time for themselves.
        between = Counter(placed.between)
        all_series = {series for series, _, _ in placed.between}
        for item in placed.items:
            for series_id, first, behind in item.entry.groups():
                series = self._registry.by_id[series_id].series
                if series not in all_series:
                    continue
                for i in range(first, behind):
                    reading = (series, item.entry.times_ns[i], item.entry.values[i])
                    if between[reading]:
                        between[reading] -= 1
                    else:
                        instants.take(*reading)
        kept: list[Instant] = []
        repeated = shifted = 0
        for series, time_ns, value in placed.between:
            kept_ns = instants.place(series, time_ns, value)
            if kept_ns is None:
                repeated += 1
            else:
                shifted += kept_ns != time_ns
                kept.append((series, kept_ns, value))
        return kept, repeated, shifted
