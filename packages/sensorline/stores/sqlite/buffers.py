"""Unsealed readings in the writer's memory: for each series, in order of time. The journal has them too, on the device."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from sensorline.reading import Series
from sensorline.stores.journal import Entry
from sensorline.stores.sqlite.layout import WINDOW_NS


class Buffer:
    """One series' unsealed readings, and what is known of it.

    `new_*` are those of the batch that is being committed: Buffers.settle makes them count, `drop` forgets them.
    """

    __slots__ = (
        "id",
        "new_times",
        "new_values",
        "newest_ns",
        "placed",
        "sealed_entry",
        "sealed_newest_ns",
        "sealed_ns",
        "sealed_value",
        "series",
        "times_ns",
        "values",
    )

    def __init__(self, series_id: int, series: Series) -> None:
        self.id = series_id
        self.series = series
        self.newest_ns = -1
        self.sealed_newest_ns = -1
        self.sealed_value = 0.0
        self.sealed_entry = 0
        self.sealed_ns = 0
        self.times_ns = array("q")
        self.values = array("d")
        self.new_times: list[int] = []
        self.new_values: list[float] = []
        self.placed: dict[int, float] = {}
        """Readings of this batch that are not the newest, by the instant at which they are kept."""

    def value_at(self, time_ns: int) -> float | None:
        """Return the value at an instant among what is in memory, or None."""
        i = bisect_left(self.times_ns, time_ns)
        if i < len(self.times_ns) and self.times_ns[i] == time_ns:
            return self.values[i]
        i = bisect_left(self.new_times, time_ns)
        if i < len(self.new_times) and self.new_times[i] == time_ns:
            return self.new_values[i]
        return self.placed.get(time_ns)

    def place(self, time_ns: int, value: float) -> None:
        """Add a reading to the batch at an instant that is free."""
        if time_ns > self.newest_ns:
            self.newest_ns = time_ns
            self.new_times.append(time_ns)
            self.new_values.append(value)
        else:
            self.placed[time_ns] = value

    def sort_new(self) -> None:
        """Bring the batch's readings together in order of time; after that, nothing more may be placed."""
        pairs = sorted((*self.placed.items(), *zip(self.new_times, self.new_values, strict=True)))
        self.placed.clear()
        self.new_times = [time_ns for time_ns, _ in pairs]
        self.new_values = [value for _, value in pairs]

    def insert(self, time_ns: int, value: float) -> None:
        """Add one unsealed reading at its place."""
        i = bisect_left(self.times_ns, time_ns)
        self.times_ns.insert(i, time_ns)
        self.values.insert(i, value)

    def drop(self) -> None:
        """The batch was not stored: forget it."""
        self.new_times.clear()
        self.new_values.clear()
        self.placed.clear()
        self.newest_ns = max(self.sealed_newest_ns, self.times_ns[-1] if self.times_ns else -1)

    def forget_first(self, count: int) -> None:
        """The first `count` readings are sealed."""
        if count == len(self.times_ns):
            # A new array gives the memory back.
            self.times_ns, self.values = array("q"), array("d")
        else:
            del self.times_ns[:count]
            del self.values[:count]


class Buffers:
    """All series' buffers."""

    def __init__(self) -> None:
        self.by_series: dict[Series, Buffer] = {}
        self.by_id: dict[int, Buffer] = {}
        self.filled: dict[int, Buffer] = {}
        """Those that have unsealed readings."""
        self.unsealed = 0
        """How many readings they hold."""

    def add(self, buffer: Buffer) -> None:
        """Take up a series."""
        self.by_series[buffer.series] = buffer
        self.by_id[buffer.id] = buffer

    def remove(self, buffer: Buffer) -> None:
        """Forget a series that was not stored after all."""
        del self.by_series[buffer.series]
        del self.by_id[buffer.id]

    def settle(self, touched: list[Buffer], count: int) -> None:
        """A batch with `count` readings of these series is durable."""
        filled = self.filled
        # Once for each series of each commit: without calls.
        for buffer in touched:
            times_ns, new_times = buffer.times_ns, buffer.new_times
            if times_ns and new_times[0] < times_ns[-1]:
                for time_ns, value in zip(new_times, buffer.new_values, strict=True):
                    buffer.insert(time_ns, value)
            elif len(new_times) == 1:
                times_ns.append(new_times[0])
                buffer.values.append(buffer.new_values[0])
            else:
                times_ns.extend(new_times)
                buffer.values.extend(buffer.new_values)
            buffer.new_times, buffer.new_values = [], []
            filled[buffer.id] = buffer
        self.unsealed += count

    def replay(self, number: int, entry: Entry) -> None:
        """Take up what an entry of the journal holds and is not sealed."""
        for series_id, first, behind in entry.groups():
            buffer = self.by_id[series_id]
            times_ns, values = entry.times_ns[first:behind], entry.values[first:behind]
            if number <= buffer.sealed_entry:
                begin = bisect_left(times_ns, buffer.sealed_ns)
                times_ns, values = times_ns[begin:], values[begin:]
            if not times_ns:
                continue
            if not buffer.times_ns or times_ns[0] > buffer.times_ns[-1]:
                buffer.times_ns += times_ns
                buffer.values += values
            else:
                for time_ns, value in zip(times_ns, values, strict=True):
                    buffer.insert(time_ns, value)
            buffer.newest_ns = max(buffer.newest_ns, buffer.times_ns[-1])
            self.filled[series_id] = buffer
            self.unsealed += len(times_ns)

    def due(self, before_ns: int) -> Iterator[Buffer]:
        """Yield the series that have readings before a time."""
        return (buffer for buffer in self.filled.values() if buffer.times_ns[0] < before_ns)

    def sealed(self, buffer: Buffer, count: int) -> None:
        """The first `count` readings of a series are sealed."""
        buffer.forget_first(count)
        self.unsealed -= count
        if not buffer.times_ns:
            self.filled.pop(buffer.id, None)

    def windows(self) -> int:
        """Return how many windows of how many series hold unsealed readings."""
        total = 0
        for buffer in self.filled.values():
            i, times_ns = 0, buffer.times_ns
            while i < len(times_ns):
                total += 1
                i = bisect_left(times_ns, (times_ns[i] // WINDOW_NS + 1) * WINDOW_NS, i)
        return total
