"""Readings between the oldest and the newest of their series: late, repeated, or another value at a time already taken.

The same rules as in the embedded store (sqlite.collisions): the same value at the same time is a repetition; another value goes
behind the unbroken run of taken nanoseconds that begins at its time. What is stored there is asked of InfluxDB, for all such
readings of a batch together.
"""

from collections.abc import Iterable, Sequence

from sensorline.reading import Series
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.names import series_filter, shown_name

GAP_NS = 120 * 10**9
"""Readings nearer to each other than this are looked up with one statement."""

RUN_STEP_NS = 1_024
RUN_STEP_MAX_NS = 65_536

Instant = tuple[Series, int, float]
"""A reading: series, time in ns, value."""

_Key = tuple[Series, int]
_Run = tuple[set[float], int]


class Instants:
    """The taken instants around a batch's readings. Made for one batch and thrown away."""

    def __init__(self, connection: Connection, bucket: str) -> None:
        self._connection = connection
        self._bucket = bucket
        self._values: dict[_Key, float] = {}
        self._spans: dict[Series, list[tuple[int, int]]] = {}
        self._step_ns = RUN_STEP_NS
        self._runs: dict[_Key, _Run] = {}
        self._keys_by_end: dict[_Key, list[_Key]] = {}

    def look_up(self, readings: Sequence[Instant]) -> None:
        """Ask InfluxDB what is stored at the readings' times and just after them. Raises StoreUnavailable."""
        parameters: dict[str, str] = {}
        statements = []
        for clump in _clumps(readings):
            start_ns, end_ns = clump[0][1], clump[-1][1] + RUN_STEP_NS
            all_series = {series for series, _, _ in clump}
            for series in all_series:
                self._spans.setdefault(series, []).append((start_ns, end_ns))
            statements.append(_statement(all_series, start_ns, end_ns, parameters))
        self._ask(statements, parameters)

    def _ask(self, statements: Sequence[str], parameters: dict[str, str]) -> None:
        for tables in self._connection.influxql(self._bucket, statements, **parameters):
            for table in tables:
                series = Series(shown_name(table.tags.get("device", "")), shown_name(table.name))
                for time_ns, value in table.values:
                    # What this batch has put there is newer than what InfluxDB said.
                    self._values.setdefault((series, time_ns), value)

    def take(self, series: Series, time_ns: int, value: float) -> None:
        """Say that this batch has put a reading there."""
        self._values[series, time_ns] = value

    def place(self, series: Series, time_ns: int, value: float) -> int | None:
        """Return the time at which a reading is to be kept, or None for a repetition. Raises StoreUnavailable."""
        key = (series, time_ns)
        run = self._runs.get(key)
        if run is None:
            there = self._values.get(key)
            if there == value:
                return None
            run = self._load_run(series, time_ns)
            self._remember(key, run)
        values, free_ns = run
        if value in values:
            return None
        self._values[series, free_ns] = value
        # Every remembered run that ended here has grown by this reading: forget it, it may even have met the next one.
        for grown in self._keys_by_end.pop((series, free_ns), ()):
            del self._runs[grown]
        if free_ns != time_ns and self._value_at(series, free_ns + 1) is None:
            values.add(value)
            self._remember(key, (values, free_ns + 1))
        return free_ns

    def _remember(self, key: _Key, run: _Run) -> None:
        self._runs[key] = run
        self._keys_by_end.setdefault((key[0], run[1]), []).append(key)

    def _load_run(self, series: Series, time_ns: int) -> _Run:
        values: set[float] = set()
        free_ns = time_ns
        while (value := self._value_at(series, free_ns)) is not None:
            values.add(value)
            free_ns += 1
        return values, free_ns

    def _value_at(self, series: Series, time_ns: int) -> float | None:
        value = self._values.get((series, time_ns))
        if value is None and not self._is_known(series, time_ns):
            # A run longer than what was looked up with the batch: ask on, in growing steps.
            end_ns = time_ns + self._step_ns
            self._step_ns = min(self._step_ns * 4, RUN_STEP_MAX_NS)
            self._spans.setdefault(series, []).append((time_ns, end_ns))
            parameters: dict[str, str] = {}
            self._ask([_statement({series}, time_ns, end_ns, parameters)], parameters)
            value = self._values.get((series, time_ns))
        return value

    def _is_known(self, series: Series, time_ns: int) -> bool:
        # The newest spans first: they are the ones of the run that is just being followed.
        return any(start <= time_ns < end for start, end in reversed(self._spans.get(series, ())))


def _clumps(readings: Iterable[Instant]) -> list[list[Instant]]:
    clumps: list[list[Instant]] = []
    for reading in sorted(readings, key=lambda r: r[1]):
        if clumps and reading[1] - clumps[-1][-1][1] <= GAP_NS:
            clumps[-1].append(reading)
        else:
            clumps.append([reading])
    return clumps


def _statement(all_series: Iterable[Series], start_ns: int, end_ns: int, parameters: dict[str, str]) -> str:
    """Return a statement for single readings; adds what it binds to `parameters`."""
    where = series_filter(all_series, parameters)
    return f"SELECT value FROM {where} AND time >= {start_ns} AND time < {end_ns} GROUP BY device"
