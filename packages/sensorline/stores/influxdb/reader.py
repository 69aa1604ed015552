"""Questions to InfluxDB, from any host: everything that an answer needs is in the five buckets.

The order of the requests makes an answer whole. First the newest reading's time; then what is rolled up and what is still to
do; then the rest, nothing of it newer than that time. A window is marked before its readings are sent, so what is
not marked and not newer is in its rollup. So each new commit is seen whole or not at all; late readings are seen when they come,
perhaps a request earlier than the new ones of their commit.
"""

from collections.abc import Iterator

import msgspec

from sensorline.events import Account, Event, EventKind
from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns, DeviceInfo, SeriesInfo
from sensorline.stores.buckets import HOUR_NS, MINUTE_NS, SECOND_NS, bucket_width, check_range
from sensorline.stores.influxdb.connection import Connection, Table
from sensorline.stores.influxdb.levels import ROWS_MAX, Levels
from sensorline.stores.influxdb.names import shown_name, stored_name
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings
from sensorline.stores.influxdb.windows import added

LAST_NS = 2**63 - 1 - 86_400 * SECOND_NS
"""A day before the end of InfluxDB's times (in 2262), so that a bucket's end is one too."""

EXPORT_ROWS = 5_000

RAW_ROWS_MAX = 3_000_000
"""A range with more single readings than this is answered from minute rollups: about 80 ms of InfluxDB's work."""

EVER = -(2**62)


class InfluxReader:
    """The InfluxDB store's reader: see stores.base.StoreReader."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._buckets = Buckets(settings.bucket)
        self._connection = Connection(settings)

    def query(self, series: Series, start_ns: int, end_ns: int, max_points: int) -> Columns:
        """Return at most `max_points` buckets; see stores.base.StoreReader.query."""
        check_range(start_ns, end_ns, max_points)
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 1), LAST_NS)
        hour_width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=HOUR_NS)
        levels = Levels(self._connection, self._buckets, series)
        # Whole buckets of the widest kind that the answer may have.
        levels.open(start_ns, end_ns, hour_width_ns)
        last_ns = levels.last_ns
        if last_ns is None:
            return _columns(0, [], None)
        raw_count = levels.raw_count(start_ns, min(end_ns, last_ns + 1))
        width_ns = bucket_width(start_ns, end_ns, max_points)
        if raw_count is not None and raw_count <= max(max_points, ROWS_MAX):
            found = self._from_readings(levels, start_ns, end_ns, max_points, width_ns)
            if found is not None:
                return found
        if width_ns < MINUTE_NS and (raw_count is None or raw_count > RAW_ROWS_MAX):
            width_ns = bucket_width(start_ns, end_ns, max_points, at_least_ns=MINUTE_NS)
        if MINUTE_NS <= width_ns < HOUR_NS and levels.has_older(start_ns, levels.minutes_from_ns):
            width_ns = hour_width_ns
        # Whole windows: the same bucket is the same however the range around it slides.
        first_ns, behind_ns = start_ns // width_ns * width_ns, -(-end_ns // width_ns) * width_ns
        return _columns(width_ns, levels.buckets(first_ns, behind_ns, width_ns), last_ns)

    def _from_readings(
        self, levels: Levels, start_ns: int, end_ns: int, max_points: int, width_ns: int
    ) -> Columns | None:
        """Return single readings when they fit, or buckets that we add up ourselves; None when there are too many."""
        assert levels.last_ns is not None
        last_ns, behind_ns = levels.last_ns, min(end_ns, levels.last_ns + 1)
        if width_ns < MINUTE_NS:
            most = max(max_points, ROWS_MAX)
            whole_ns = min(-(-end_ns // width_ns) * width_ns, last_ns + 1)
            rows = levels.readings(start_ns // width_ns * width_ns, whole_ns, most + 1)
            if len(rows) <= most:
                singles = [(t, v, v, v, 1) for t, v in rows]
                inside = [row for row in singles if start_ns <= row[0] < end_ns]
                if len(inside) <= max_points:
                    return _columns(0, inside, last_ns)
                return _columns(width_ns, added(singles, width_ns), last_ns)
        rows = levels.readings(start_ns, behind_ns, max_points + 1)
        return _columns(0, [(t, v, v, v, 1) for t, v in rows], last_ns) if len(rows) <= max_points else None

    def latest(self) -> list[SeriesInfo]:
        """Return every series with its newest reading, ordered by device and metric."""
        facts, newest = self._overview()
        out = []
        for series, (time_ns, value) in sorted(newest.items()):
            known = facts.get(series.device, DeviceFacts(series.device))
            unit, name = known.units.get(series.metric), known.names.get(series.metric)
            out.append(SeriesInfo(series, unit, name, time_ns, value))
        return out

    def devices(self) -> list[DeviceInfo]:
        """Return every device that has readings or facts, ordered by name."""
        facts, newest = self._overview()
        seen: dict[str, int | None] = dict.fromkeys(facts)
        for series, (time_ns, _) in newest.items():
            seen[series.device] = max(seen.get(series.device) or time_ns, time_ns)
        return [
            DeviceInfo(facts.get(device, DeviceFacts(device)), seen_ns)
            for device, seen_ns in sorted(seen.items())
        ]

    def _overview(self) -> tuple[dict[str, DeviceFacts], dict[Series, tuple[int, float]]]:
        """Return what is known of each device, and each series' newest reading."""
        # The border first: what is older than it is among the rows that come after it.
        border, latest, devices = self._connection.influxql(
            self._buckets.state,
            [
                "SELECT latest_ns FROM border",
                "SELECT ns, value FROM latest GROUP BY device, metric",
                "SELECT facts FROM device GROUP BY device",
            ],
        )
        facts: dict[str, DeviceFacts] = {}
        for table in devices:
            known = msgspec.json.decode(table.values[-1][1], type=DeviceFacts)
            facts[known.device] = known
        newest: dict[Series, tuple[int, float]] = {}
        for table in latest:
            series = Series(shown_name(table.tags["device"]), shown_name(table.tags["metric"]))
            newest[series] = (int(table.values[-1][1]), float(table.values[-1][2]))
        since_ns = border[0].values[-1][1] if border else None
        where = "" if since_ns is None else f" WHERE time >= {since_ns}"
        (tables,) = self._connection.influxql(
            self._buckets.raw, [f"SELECT last(value) FROM /.*/{where} GROUP BY device"]
        )
        for table in tables:
            if reading := _last_reading(table):
                series = Series(shown_name(table.tags["device"]), shown_name(table.name))
                newest[series] = max(reading, newest.get(series, reading))
        return facts, newest

    def events(
        self,
        start_ns: int,
        end_ns: int,
        device: str | None = None,
        limit: int = 1000,
        kind: EventKind | None = None,
    ) -> list[Event]:
        """Return the newest events that touch a range; see stores.base.StoreReader.events."""
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 0), LAST_NS)
        where = [f"end_ns >= {start_ns}", f"start_ns < {end_ns}"]
        parameters = {}
        if device is not None:
            # One that concerns all has no such tag.
            where.append("(device = '' OR device = $device)" if device else "device = ''")
            parameters = {"device": stored_name(device)} if device else {}
        if kind is not None:
            where.append(f"kind = '{kind.value}'")
        (tables,) = self._connection.influxql(
            self._buckets.state,
            [f"SELECT top(start_ns, {limit:d}), event FROM event WHERE {' AND '.join(where)}"],
            **parameters,
        )
        found = [msgspec.json.decode(row[2], type=Event) for table in tables for row in table.values]
        return sorted(found, key=lambda event: (-event.start_ns, event.id))

    def accounts(self) -> list[Account]:
        """Return every device's account, ordered by device."""
        (tables,) = self._connection.influxql(
            self._buckets.state, ["SELECT account FROM account GROUP BY device"]
        )
        found = [msgspec.json.decode(table.values[-1][1], type=Account) for table in tables]
        return sorted(found, key=lambda account: account.device)

    def export(self, series: Series, start_ns: int, end_ns: int) -> Iterator[tuple[int, float]]:
        """Yield every reading of the range in order; each few thousand are a question of their own."""
        start_ns, end_ns = min(max(start_ns, 0), LAST_NS), min(max(end_ns, 0), LAST_NS)
        levels = Levels(self._connection, self._buckets, series)
        levels.open_borders()
        while True:
            rows = levels.readings(start_ns, end_ns, EXPORT_ROWS)
            yield from rows
            if len(rows) < EXPORT_ROWS:
                return
            start_ns = rows[-1][0] + 1

    def close(self) -> None:
        """Close the connections; the next question opens them again."""
        self._connection.close()


def _last_reading(table: Table) -> tuple[int, float] | None:
    """Return a table's last reading; None for what others have put into the bucket: no device, or no number."""
    time_ns, value = table.values[-1][:2]
    if not table.tags.get("device") or isinstance(value, str | bool):
        return None
    return int(time_ns), float(value)


def _columns(
    bucket_ns: int, rows: list[tuple[int, float, float, float, int]], last_ns: int | None
) -> Columns:
    """Turn rows of (start, min, sum, max, n) into columns."""
    if not rows:
        return Columns(bucket_ns, [], [], [], [], [], last_ns)
    starts, lows, sums, highs, counts = map(list, zip(*rows, strict=True))
    # Rounding, or a sum beyond a double, must not lead a mean out of its bucket.
    means = [
        min(max(total / n, low), high) for low, total, high, n in zip(lows, sums, highs, counts, strict=True)
    ]
    return Columns(bucket_ns, starts, lows, means, highs, counts, last_ns)
