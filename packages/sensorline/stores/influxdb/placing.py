"""Entries of the journal become lines: each reading's time is settled, and what its arrival makes to do is noted.

A reading newer than all of its series, or older, has its time for itself. For one in between InfluxDB is asked what is there
(instants): late data, repetitions, another value at a time already taken.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from sensorline.reading import Settled
from sensorline.stores.buckets import MINUTE_NS
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.instants import Instant, Instants
from sensorline.stores.influxdb.known import KnownSeries, Registry
from sensorline.stores.influxdb.outbox import Item
from sensorline.stores.influxdb.points import reading_lines
from sensorline.stores.influxdb.todo import Window
from sensorline.stores.journal import Entry


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
    def series_ids(self) -> set[int]:
        """The series of which there are readings."""
        return set().union(*(item.entry.series_ids for item in self.items))

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
            if item.undecided:
                self._place_any(placed, item.entry)
            else:
                self._place_new(placed, item.entry)
        return placed

    def _place_new(self, placed: Placed, entry: Entry) -> None:
        """Place readings that are newer than all of their series, as nearly all are: what each costs counts."""
        by_id = self._registry.by_id
        times_ns, values = entry.times_ns.tolist(), entry.values.tolist()
        texts: list[str] = []
        behind = 0
        for series_id, count in zip(entry.series_ids, entry.counts, strict=True):
            known = by_id[series_id]
            texts += [known.text] * count
            first, behind = behind, behind + count
            newest_ns = times_ns[behind - 1]
            if newest_ns >= known.marked_until_ns:
                for time_ns in times_ns[first:behind]:
                    if time_ns >= known.marked_until_ns:
                        self._mark(placed, known, time_ns)
            # As in _touch.
            known.newest_ns, known.newest_value = newest_ns, values[behind - 1]
            if times_ns[first] < known.oldest_ns:
                known.oldest_ns = times_ns[first]
            if not known.is_unsaved:
                known.is_unsaved = True
                placed.touched.append(known)
        placed.lines += reading_lines(texts, values, times_ns)
        placed.count += len(values)

    def _place_any(self, placed: Placed, entry: Entry) -> None:
        for series_id, first, behind in entry.groups():
            known = self._registry.by_id[series_id]
            for time_ns, value in zip(entry.times_ns[first:behind], entry.values[first:behind], strict=True):
                if known.oldest_ns <= time_ns <= known.newest_ns:
                    placed.between.append((known.series, time_ns, value))
                else:
                    self._put(placed, known, time_ns, value)

    def _put(self, placed: Placed, known: KnownSeries, time_ns: int, value: float) -> None:
        if time_ns > known.newest_ns:
            self._touch(placed, known, time_ns, value, time_ns)
        else:
            self._touch(placed, known, known.newest_ns, known.newest_value, time_ns)
        placed.minutes.add((known.id, time_ns // MINUTE_NS))
        placed.lines += reading_lines([known.text], [value], [time_ns])
        placed.count += 1

    @staticmethod
    def _touch(
        placed: Placed, known: KnownSeries, newest_ns: int, newest_value: float, oldest_ns: int
    ) -> None:
        known.newest_ns, known.newest_value = newest_ns, newest_value
        if oldest_ns < known.oldest_ns:
            known.oldest_ns = oldest_ns
        if not known.is_unsaved:
            known.is_unsaved = True
            placed.touched.append(known)

    @staticmethod
    def _mark(placed: Placed, known: KnownSeries, time_ns: int) -> None:
        minute = time_ns // MINUTE_NS
        placed.minutes.add((known.id, minute))
        known.marked_until_ns = (minute + 1) * MINUTE_NS

    def settle(self, placed: Placed) -> None:
        """Find times for the readings in between, once. Raises StoreUnavailable; then nothing has changed."""
        if placed.settled is not None:
            return
        undecided = sum(item.undecided for item in placed.items)
        readings = sum(len(item.entry.values) for item in placed.items)
        repeats: Counter[str] = Counter()
        shifted = 0
        if placed.between:
            kept, repeats, shifted = self._find_times(placed)
            for series, time_ns, value in kept:
                self._put(placed, self._registry.by_series[series], time_ns, value)
        # What commits did not leave undecided they have counted as stored.
        placed.settled = Settled(
            placed.count - (readings - undecided), repeats.total(), shifted, repeats=repeats
        )

    def _find_times(self, placed: Placed) -> tuple[list[Instant], Counter[str], int]:
        """Return the readings in between that are new, at the times they get; how many of each device are not; how many got
        another time."""
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
        repeats: Counter[str] = Counter()
        shifted = 0
        for series, time_ns, value in placed.between:
            kept_ns = instants.place(series, time_ns, value)
            if kept_ns is None:
                repeats[series.device] += 1
            else:
                shifted += kept_ns != time_ns
                kept.append((series, kept_ns, value))
        return kept, repeats, shifted
