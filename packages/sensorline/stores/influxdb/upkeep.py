"""Rollups and retention, in short steps between commits.

A window's rollup is recomputed from its readings, for all series of the window with one question, whenever a commit touched it; an
hour's from its minutes. Doing it twice changes nothing.

Retention: InfluxDB drops whole shards, some days after their time. What readers see ends exactly: a border for each level, at a
whole hour, goes forward first (measurement `border`). Series that have been silent for a day get their newest reading
written to `latest`, so that readers find it without going through all shards, and after it was deleted.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import pairwise

import structlog

from sensorline.settings import StoreSettings
from sensorline.stores.influxdb import local, points
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import Delivery
from sensorline.stores.influxdb.local import KnownSeries
from sensorline.stores.influxdb.names import series_filter, shown_name
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.todo import Hour, Todo, Window

log = structlog.get_logger()

GRACE_S = 5
"""A minute is rolled up this long after its end, so that stragglers of live data do not make it dirty again."""

WINDOWS_PER_STEP = 500
RETENTION_INTERVAL_NS = 600 * 10**9
MINUTE_NS, HOUR_NS, DAY_NS = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9

SILENT_NS = DAY_NS

_Rollup = tuple[float, float, float, float]
"""min, max, sum, n"""


class Upkeep:
    """One step at a time; each may be killed at any point."""

    def __init__(
        self,
        db: sqlite3.Connection,
        connection: Connection,
        delivery: Delivery,
        buckets: Buckets,
        settings: StoreSettings,
        todo: Todo,
        by_id: dict[int, KnownSeries],
    ) -> None:
        self._db = db
        self._connection = connection
        self._delivery = delivery
        self._buckets = buckets
        self._settings = settings
        self._todo = todo
        self._by_id = by_id
        self._borders: dict[str, int] = {}
        self.has_adopted = False
        self._retention_due_ns = 0
        self.load()

    def load(self) -> None:
        """Read since when each level of the bucket is whole."""
        self._borders = local.load_borders(self._db)
        self.has_adopted = bool(self._borders.pop(local.ADOPTED, 0))

    def latest_lines(self, touched: Iterable[KnownSeries]) -> list[bytes]:
        """Return the state lines for series whose newest reading is older than readers look for it."""
        border_ns = self._borders.get("latest_ns", -(2**63))
        return [
            points.latest_line(known.series, known.newest_ns, known.newest_value)
            for known in touched
            if known.newest_ns < border_ns
        ]

    def mark_lines(self, marks: dict[Hour, int]) -> list[bytes]:
        """Return the lines that tell readers which minutes of which hours are to be read from single readings."""
        return [
            points.hour_line(self._by_id[series_id].key, hour * HOUR_NS, mask, None)
            for (series_id, hour), mask in marks.items()
        ]

    def step(self, now_ns: int) -> bool:
        """Return whether there is more to do at once. Raises StoreUnavailable or sqlite3.Error."""
        before_s = now_ns // 10**9 - 60 - GRACE_S
        windows = self._todo.due(before_s, WINDOWS_PER_STEP)
        if windows:
            self._roll_up(windows)
            return True
        if now_ns >= self._retention_due_ns:
            if self._forget(now_ns):
                return True
            self._retention_due_ns = now_ns + RETENTION_INTERVAL_NS
        return False

    def _roll_up(self, windows: Sequence[Window]) -> None:
        # A restart sends what is pending once more, marks included: not after they were taken away.
        self._db.execute("DELETE FROM pending")
        wanted = set(windows)
        fields = "min(value), max(value), sum(value), count(value)"
        found = self._compute(self._buckets.raw, fields, wanted, MINUTE_NS, longest=1_440)
        self._send(
            self._buckets.minutes,
            [
                points.rollup_line(self._by_id[series_id].key, minute * MINUTE_NS, *rollup)
                for (series_id, minute), rollup in sorted(found.items())
            ],
        )
        hours: set[Hour] = {(series_id, minute // 60) for series_id, minute in windows}
        by_hour: dict[Hour, list[Window]] = {hour: [] for hour in hours}
        for series_id, minute in windows:
            by_hour[series_id, minute // 60].append((series_id, minute))
        fields = 'min("min"), max("max"), sum("sum"), sum("n")'
        rollups = self._compute(self._buckets.minutes, fields, hours, HOUR_NS, longest=24 * 31)
        self._send(
            self._buckets.hours,
            [
                points.hour_line(
                    self._by_id[hour[0]].key,
                    hour[1] * HOUR_NS,
                    self._todo.mask_without(hour, by_hour[hour]),
                    rollups.get(hour),
                )
                for hour in sorted(hours)
            ],
        )
        self._todo.done(windows)

    def _compute(
        self, bucket: str, fields: str, wanted: set[tuple[int, int]], step_ns: int, longest: int
    ) -> dict[tuple[int, int], _Rollup]:
        """Return the rollup of each wanted (series id, number of the step); steps near each other are asked for together."""
        statements: list[str] = []
        parameters: dict[str, str] = {}
        for group in _groups(wanted, longest):
            all_series = {self._by_id[series_id].series for series_id, _ in group}
            steps = [step for _, step in group]
            where = series_filter(all_series, parameters)
            statements.append(
                f"SELECT {fields} FROM {where} AND time >= {min(steps) * step_ns} AND time < {(max(steps) + 1) * step_ns}"
                f" GROUP BY device, time({step_ns // 10**9}s) fill(none)"
            )
        ids = {
            (k.series.device, k.series.metric): k.id
            for k in map(self._by_id.__getitem__, {i for i, _ in wanted})
        }
        out: dict[tuple[int, int], _Rollup] = {}
        for tables in self._connection.influxql(bucket, statements, **parameters):
            for table in tables:
                series_id = ids.get((shown_name(table.tags.get("device", "")), shown_name(table.name)))
                if series_id is None:
                    continue
                for start_ns, low, high, total, n in table.values:
                    window = (series_id, start_ns // step_ns)
                    if window in wanted and n:
                        out[window] = (low, high, total, n)
        return out

    def _send(self, bucket: str, lines: Sequence[bytes]) -> None:
        for refused in self._delivery.send(bucket, b"".join(lines)):
            log.error("rollup_refused", bucket=bucket, detail=refused.why, line=refused.line.decode())

    def _forget(self, now_ns: int) -> bool:
        """Move the borders forward; True if one that cuts something off has moved."""
        s = self._settings
        minutes_days = _longer(s.keep_minutes_days, s.keep_raw_days)
        borders = dict(self._borders)
        for name, days in (
            ("raw_ns", s.keep_raw_days),
            ("minutes_ns", minutes_days),
            ("hours_ns", _longer(s.keep_hours_days, minutes_days)),
        ):
            if days:
                # Never back: what was beyond a border may be deleted already.
                border_ns = int(now_ns - days * DAY_NS) // HOUR_NS * HOUR_NS
                borders[name] = max(border_ns, borders.get(name, border_ns))
        silent_ns = max((now_ns - SILENT_NS) // HOUR_NS * HOUR_NS, borders.get("raw_ns", -(2**63)))
        before_ns = borders.get("latest_ns", -(2**63))
        silent_ns = max(silent_ns, before_ns)
        moved = any(borders.get(n) != self._borders.get(n) for n in ("raw_ns", "minutes_ns", "hours_ns"))
        if self._by_id and (moved or silent_ns != before_ns):
            borders["latest_ns"] = silent_ns
            silent = [k for k in self._by_id.values() if before_ns <= k.newest_ns < silent_ns]
            lines = [points.latest_line(k.series, k.newest_ns, k.newest_value) for k in silent]
            # In this order: once the border is there, readers rely on the lines.
            self._send(self._buckets.state, lines)
            self._send(self._buckets.state, [points.border_line(borders)])
            self._db.execute("BEGIN IMMEDIATE")
            local.save_borders(self._db, borders)
            self._db.execute("COMMIT")
            self._borders = borders
        if s.keep_rejected_days:
            self._db.execute(
                "DELETE FROM dead_letter WHERE received_ns < ?",
                (int(now_ns - s.keep_rejected_days * DAY_NS),),
            )
        self._db.execute("PRAGMA incremental_vacuum(256)").fetchall()
        return moved and bool(self._by_id)


def _groups(wanted: set[tuple[int, int]], longest: int) -> list[list[tuple[int, int]]]:
    """Return (series id, step) in groups of near steps: a gap of 150 steps ends a group, and so does its length.

    To read through a gap costs InfluxDB about as much as one more statement.
    """
    ordered = sorted(wanted, key=lambda item: item[1])
    groups = [ordered[:1]]
    for (_, before), item in pairwise(ordered):
        if item[1] - before > 150 or item[1] - groups[-1][0][1] >= longest:
            groups.append([])
        groups[-1].append(item)
    return groups


def _longer(days: float, finer_days: float) -> float:
    """Return how long a rollup is kept: never less than what it is made of, or it would be recomputed from a part."""
    return 0 if 0 in (days, finer_days) else max(days, finer_days)
