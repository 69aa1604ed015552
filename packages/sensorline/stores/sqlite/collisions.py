"""Readings that are not the newest of their series: late, repeated, or another value at a time already taken."""

from collections.abc import Callable

from sensorline.stores.sqlite.buffers import Buffer

_Key = tuple[int, int]
_Run = tuple[set[float], int]


class Collisions:
    """Places the readings of one batch at free instants.

    A run is the unbroken sequence of taken nanoseconds that begins at a reading's time. The value is in it already:
    a repetition. Otherwise it is kept right after the run. Runs are remembered for the batch, so that ten thousand
    values of one millisecond cost one look-up.
    """

    def __init__(self, sealed_value_at: Callable[[int, int], float | None]) -> None:
        self._sealed_value_at = sealed_value_at
        self._runs: dict[_Key, _Run] = {}
        self._keys_by_end: dict[_Key, list[_Key]] = {}

    def place(self, buffer: Buffer, time_ns: int, value: float) -> int | None:
        """Add a reading to the batch and return the time at which it is kept, or None for a repetition."""
        key = (buffer.id, time_ns)
        run = self._runs.get(key)
        if run is None:
            # Most repetitions repeat exactly what is there, and need no run.
            if self._value_at(buffer, time_ns) == value:
                return None
            run = self._load(buffer, time_ns)
            self._remember(key, run)
        values, free_ns = run
        if value in values:
            return None
        buffer.place(free_ns, value)
        # Every remembered run that ended here has grown by this reading: forget it, it may even have met the next one.
        for grown in self._keys_by_end.pop((buffer.id, free_ns), ()):
            del self._runs[grown]
        if free_ns != time_ns and self._value_at(buffer, free_ns + 1) is None:
            values.add(value)
            self._remember(key, (values, free_ns + 1))
        return free_ns

    def _value_at(self, buffer: Buffer, time_ns: int) -> float | None:
        found = buffer.value_at(time_ns)
        if found is None and time_ns <= buffer.sealed_newest_ns:
            return self._sealed_value_at(buffer.id, time_ns)
        return found

    def _remember(self, key: _Key, run: _Run) -> None:
        self._runs[key] = run
        self._keys_by_end.setdefault((key[0], run[1]), []).append(key)

    def _load(self, buffer: Buffer, time_ns: int) -> _Run:
        values: set[float] = set()
        free_ns = time_ns
        while (value := self._value_at(buffer, free_ns)) is not None:
            values.add(value)
            free_ns += 1
        return values, free_ns
