"""One series on its four levels: half-days, hours, minutes, single readings. Made for one answer.

Each level is asked for what the coarser one lacks: hours for half-days that are not whole, and so on down to single readings.
The newest reading's windows count as not whole: while we ask, the writer may go on and roll up what is newer.
"""

from typing import Any

from sensorline.reading import Series
from sensorline.stores.buckets import HALF_DAY_NS, HOUR_NS, MINUTE_NS
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.flux import aggregates, aggregates_and_todo
from sensorline.stores.influxdb.names import influxql_name, stored_name
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.windows import Row, added, as_rows, stretches

ROWS_MAX = 6_000
"""More rollups than this are added up by InfluxDB (Flux), fewer by us: about 10 ms either way."""

HOURS_MAX = 2_000
"""The same for hours, which are read anyway."""

HALF_DAYS_FROM_NS = 10 * 2 * HALF_DAY_NS
"""A shorter range is read in hours at once."""

MINUTES_READ = 3
"""So few minutes are added up here: four aggregates cost InfluxDB four times as much as the readings themselves."""

EVER_NS = -(2**62)

_ROLLUP = '"min", "sum", "max", "n"'


class Levels:
    """Opens the coarse levels, then answers from all four. Not older than the borders, not newer than `last_ns`."""

    def __init__(self, connection: Connection, buckets: Buckets, series: Series) -> None:
        self._connection = connection
        self._names = buckets
        self._series = series
        self._table = influxql_name(series.metric)
        self._bound = {"d": stored_name(series.device), "m": stored_name(series.metric)}
        self.last_ns: int | None = None
        self.raw_from_ns = self.minutes_from_ns = self.hours_from_ns = EVER_NS
        self._has_half_days = False
        self._half_days: dict[int, Row] = {}
        self._hours: dict[int, Row] = {}
        self._todo: dict[int, int] = {}
        self._are_all_hours_here = True
        self._first_hour = self._total = 0

    def open(self, start_ns: int, end_ns: int, width_ns: int) -> None:
        """Read the newest time, the borders, and what whole hours a range has, widened to a width. Raises StoreUnavailable."""
        self.open_borders()
        if self.last_ns is None:
            return
        first_ns = max(start_ns // width_ns * width_ns, self.hours_from_ns)
        behind_ns = min(-(-end_ns // width_ns) * width_ns, self.last_ns // HOUR_NS * HOUR_NS + HOUR_NS)
        is_long = self._has_half_days and behind_ns - first_ns > HALF_DAYS_FROM_NS
        if is_long and self._open_half_days(first_ns, behind_ns, {start_ns, end_ns}):
            return
        if self._are_hours_few(first_ns, behind_ns):
            self._read_hours([(first_ns, behind_ns)])

    def _open_half_days(self, start_ns: int, end_ns: int, cuts_ns: set[int]) -> bool:
        """Read half-days, and hours for those that are not whole or that something cuts; False if these are too many."""
        first_ns = start_ns // HALF_DAY_NS * HALF_DAY_NS
        (rows,) = self._ask(
            self._names.half_days,
            f"SELECT {_ROLLUP}, todo FROM {self._table} WHERE device = $d AND time >= {first_ns} AND time < {end_ns}",
        )
        cuts_ns |= {start_ns, end_ns, self.raw_from_ns, self.minutes_from_ns}
        cut = {ns // HALF_DAY_NS * HALF_DAY_NS for ns in cuts_ns if ns % HALF_DAY_NS}
        if self._last_with_readings_ns is not None:
            cut.add(self._last_with_readings_ns // HALF_DAY_NS * HALF_DAY_NS)
        whole: dict[int, Row] = {}
        finer: set[int] = set()
        for start, low, total, high, n, todo in rows:
            if todo or start in cut:
                finer.add(start)
            elif n:
                whole[start] = (start, low, total, high, int(n))
        if len(finer) * HALF_DAY_NS // HOUR_NS > HOURS_MAX:
            return False
        self._half_days = whole
        if finer:
            spans = stretches(finer, HALF_DAY_NS)
            self._read_hours([(max(a, start_ns), min(b, end_ns)) for a, b in spans])
            self._keep_hours_in(finer, HALF_DAY_NS)
        return True

    def _are_hours_few(self, start_ns: int, end_ns: int) -> bool:
        if (end_ns - start_ns) // HOUR_NS <= HOURS_MAX:
            return True
        (counts,) = self._ask(
            self._names.hours,
            f'SELECT "n" FROM {self._table} WHERE device = $d AND time >= {start_ns} AND time < {end_ns}'
            f" LIMIT {HOURS_MAX + 1}",
        )
        if len(counts) <= HOURS_MAX:
            return True
        self._are_all_hours_here = False
        self._first_hour = counts[0][0]
        self._total = int(sum(row[1] for row in counts))
        return False

    def _read_hours(self, spans: list[tuple[int, int]]) -> None:
        statements = [
            f"SELECT {_ROLLUP}, todo FROM {self._table} WHERE device = $d AND time >= {start_ns} AND time < {end_ns}"
            for start_ns, end_ns in spans
        ]
        for hours in self._ask(self._names.hours, *statements):
            for start, low, total, high, n, mask in hours:
                if n is not None:
                    self._hours[start] = (start, low, total, high, int(n))
                if mask:
                    self._todo[start] = mask
        last_ns = self._last_with_readings_ns
        if last_ns is not None and any(start_ns <= last_ns < end_ns for start_ns, end_ns in spans):
            hour = last_ns // HOUR_NS * HOUR_NS
            self._todo[hour] = self._todo.get(hour, 0) | 1 << (last_ns - hour) // MINUTE_NS

    def _keep_hours_in(self, windows: set[int], width_ns: int) -> None:
        self._hours = {h: row for h, row in self._hours.items() if h // width_ns * width_ns in windows}
        self._todo = {h: mask for h, mask in self._todo.items() if h // width_ns * width_ns in windows}

    @property
    def _last_with_readings_ns(self) -> int | None:
        """The newest reading's time, or None when single readings of then are no longer kept: nothing can come after it."""
        return None if self.last_ns is None or self.last_ns < self.raw_from_ns else self.last_ns

    def open_borders(self) -> None:
        """Read the newest time and the borders only."""
        border, latest = self._ask(
            self._names.state,
            "SELECT raw_ns, minutes_ns, hours_ns, latest_ns, half_days FROM border",
            "SELECT ns FROM latest WHERE device = $d AND metric = $m",
        )
        since_ns = EVER_NS
        for row in border:
            self.raw_from_ns, self.minutes_from_ns, self.hours_from_ns, since_ns = (
                EVER_NS if ns is None else ns for ns in row[1:5]
            )
            self._has_half_days = bool(row[5])
        # Without a bound InfluxDB would look into every shard.
        (last,) = self._ask(
            self._names.raw,
            f"SELECT last(value) FROM {self._table} WHERE device = $d AND time >= {since_ns}",
        )
        times = [row[0] for row in last] + [row[1] for row in latest]
        self.last_ns = max(times, default=None)

    def _ask(self, bucket: str, *statements: str) -> list[list[list[Any]]]:
        answers = self._connection.influxql(bucket, statements, **self._bound)
        return [[row for table in tables for row in table.values] for tables in answers]

    def has_older(self, start_ns: int, from_ns: int) -> bool:
        """Tell whether the range has hours before the border of a finer level."""
        first_ns = start_ns // HOUR_NS * HOUR_NS
        if not self._are_all_hours_here:
            return self._first_hour < from_ns
        windows = self._half_days.keys() | self._hours.keys() | self._todo.keys()
        return any(first_ns <= window < from_ns for window in windows)

    def raw_count(self, start_ns: int, end_ns: int) -> int | None:
        """Return how many readings the range has at least; None where single readings cannot answer."""
        if self.has_older(start_ns, self.raw_from_ns):
            return None
        if not self._are_all_hours_here:
            return self._total
        half_days = [row[4] for h, row in self._half_days.items() if start_ns <= h <= end_ns - HALF_DAY_NS]
        hours = [
            row[4]
            for h, row in self._hours.items()
            if h not in self._todo and start_ns <= h <= end_ns - HOUR_NS
        ]
        return sum(half_days) + sum(hours)

    def readings(self, start_ns: int, end_ns: int, limit: int) -> list[tuple[int, float]]:
        """Return the first `limit` readings of a range."""
        start_ns = max(start_ns, self.raw_from_ns)
        (rows,) = self._ask(
            self._names.raw,
            f"SELECT value FROM {self._table} WHERE device = $d AND time >= {start_ns} AND time < {end_ns} LIMIT {limit}",
        )
        return [(time_ns, float(value)) for time_ns, value in rows]

    def buckets(self, start_ns: int, end_ns: int, width_ns: int) -> list[Row]:
        """Return the buckets of a range of whole buckets."""
        assert self.last_ns is not None
        if width_ns < MINUTE_NS:
            end_ns = min(end_ns, self.last_ns + 1)
            return aggregates(
                self._connection, self._names.raw, self._series, "value", start_ns, end_ns, width_ns
            )
        end_ns = min(end_ns, self.last_ns // width_ns * width_ns + width_ns)
        if width_ns % HOUR_NS:
            return self._from_minutes(start_ns, end_ns, width_ns)
        return self._from_hours(start_ns, end_ns, width_ns)

    def _from_hours(self, start_ns: int, end_ns: int, width_ns: int) -> list[Row]:
        start_ns = max(start_ns, self.hours_from_ns)
        buckets: list[Row] = []
        if self._half_days and width_ns % HALF_DAY_NS:
            self._half_days.clear()
            if self._are_hours_few(start_ns, end_ns):
                self._read_hours([(start_ns, end_ns)])
        if not self._are_all_hours_here:
            # InfluxDB adds up, and says which buckets have hours that are not whole: only those are read as they are.
            found, redone = aggregates_and_todo(
                self._connection, self._names.hours, self._series, start_ns, end_ns, width_ns
            )
            if self._last_with_readings_ns is not None:
                redone.add(self._last_with_readings_ns // width_ns * width_ns)
            buckets = [bucket for bucket in found if bucket[0] not in redone]
            if redone:
                spans = stretches(redone, width_ns)
                self._read_hours([(max(a, start_ns), min(b, end_ns)) for a, b in spans])
            self._keep_hours_in(redone, width_ns)
        todo = [hour for hour in self._todo if start_ns <= hour < end_ns]
        rows = [row for row in self._half_days.values() if start_ns <= row[0] < end_ns]
        rows += [
            row for hour, row in self._hours.items() if start_ns <= hour < end_ns and hour not in self._todo
        ]
        return sorted(buckets + added(rows + self._finer(todo), width_ns))

    def _from_minutes(self, start_ns: int, end_ns: int, width_ns: int) -> list[Row]:
        todo = {
            minute
            for hour in self._todo
            for minute in self._todo_minutes(hour)
            if start_ns <= minute < end_ns
        }
        if (end_ns - start_ns) // MINUTE_NS <= ROWS_MAX:
            rows = self._stretch(self._names.minutes, start_ns, end_ns)
            buckets: list[Row] = []
        else:
            redone = {minute // width_ns * width_ns for minute in todo}
            buckets = aggregates(
                self._connection, self._names.minutes, self._series, "", start_ns, end_ns, width_ns
            )
            buckets = [bucket for bucket in buckets if bucket[0] not in redone]
            rows = self._rollups(self._names.minutes, redone, width_ns)
        return sorted(buckets + added(self._whole(rows, todo) + self._from_readings(todo), width_ns))

    def _whole(self, minutes: list[Row], todo: set[int]) -> list[Row]:
        assert self.last_ns is not None
        return [row for row in minutes if row[0] not in todo and row[0] <= self.last_ns]

    def _todo_minutes(self, hour: int) -> list[int]:
        mask = self._todo[hour]
        return [hour + i * MINUTE_NS for i in range(60) if mask >> i & 1]

    def _finer(self, hours: list[int]) -> list[Row]:
        """Return what hours consist of that are not whole on their own level."""
        if not hours:
            return []
        todo = {minute for hour in hours for minute in self._todo_minutes(hour)}
        rows = self._rollups(self._names.minutes, set(hours), HOUR_NS)
        return self._whole(rows, todo) + self._from_readings(todo)

    def _stretch(self, bucket: str, start_ns: int, end_ns: int) -> list[Row]:
        (rows,) = self._ask(bucket, self._rollup_statement(start_ns, end_ns))
        return as_rows(rows)

    def _rollup_statement(self, start_ns: int, end_ns: int) -> str:
        return f"SELECT {_ROLLUP} FROM {self._table} WHERE device = $d AND time >= {start_ns} AND time < {end_ns}"

    def _rollups(self, bucket: str, windows: set[int], width_ns: int) -> list[Row]:
        """Return the rollups inside windows of a width, as they are stored."""
        if not windows:
            return []
        statements = [self._rollup_statement(*stretch) for stretch in stretches(windows, width_ns)]
        answers = self._ask(bucket, *statements)
        return [row for rows in answers for row in as_rows(rows) if row[0] // width_ns * width_ns in windows]

    def _from_readings(self, minutes: set[int]) -> list[Row]:
        """Return minutes computed from their readings."""
        if not minutes:
            return []
        assert self.last_ns is not None
        spans = [
            (start_ns, min(end_ns, self.last_ns + 1))
            for start_ns, end_ns in stretches(minutes, MINUTE_NS)
            if start_ns <= self.last_ns
        ]
        if len(minutes) <= MINUTES_READ and len(spans) == 1:
            rows = self.readings(*spans[0], ROWS_MAX + 1)
            if len(rows) <= ROWS_MAX:
                singles = added([(t, v, v, v, 1) for t, v in rows], MINUTE_NS)
                return [row for row in singles if row[0] in minutes]
        statements = [
            "SELECT min(value), sum(value), max(value), count(value)"
            f" FROM {self._table} WHERE device = $d AND time >= {start_ns} AND time < {end_ns}"
            " GROUP BY time(60s) fill(none)"
            for start_ns, end_ns in spans
        ]
        answers = self._ask(self._names.raw, *statements) if statements else []
        return [row for rows in answers for row in as_rows(rows) if row[0] in minutes]
