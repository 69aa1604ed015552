"""Rollups and retention, in short steps between commits.

A window's rollup is recomputed from its readings, for all series of the window with one question, whenever a commit touched it; an
hour's from its minutes; half-days follow when they are over (half_days). Doing it twice changes nothing.

Retention: InfluxDB drops whole shards, some days after their time. What readers see ends exactly: a border for each level, at a
whole hour, goes forward first (measurement `border`). Series that have been silent for a day get their newest reading
written to `latest`, so that readers find it without going through all shards, and after it was deleted.
"""

from collections.abc import Iterable, Sequence

import structlog

from sensorline.settings import StoreSettings
from sensorline.stores.influxdb import local, points
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import Delivery
from sensorline.stores.influxdb.half_days import HalfDays
from sensorline.stores.influxdb.known import KnownSeries
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.influxdb.rollups import OF_READINGS, OF_ROLLUPS, Rollups
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.telling import Telling
from sensorline.stores.influxdb.todo import Hour, Todo, Window

log = structlog.get_logger()

GRACE_S = 5
"""A minute is rolled up this long after its end, so that stragglers of live data do not make it dirty again."""

WINDOWS_PER_STEP = 500
FREE_PAGES_KEPT, PAGES_PER_STEP = 1_024, 256
RETENTION_INTERVAL_NS = 600 * 10**9
MINUTE_NS, HOUR_NS, DAY_NS = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9

SILENT_NS = DAY_NS


class Upkeep:
    """One step at a time; each may be killed at any point."""

    def __init__(
        self,
        file: LocalFile,
        connection: Connection,
        delivery: Delivery,
        buckets: Buckets,
        settings: StoreSettings,
        todo: Todo,
        half_days: HalfDays,
        by_id: dict[int, KnownSeries],
        telling: Telling,
    ) -> None:
        self._file = file
        self._telling = telling
        self._delivery = delivery
        self._buckets = buckets
        self._settings = settings
        self._todo = todo
        self._half_days = half_days
        self._rollups = Rollups(connection, by_id)
        self._by_id = by_id
        self._borders = local.load_borders(file)
        for ours in (local.ADOPTED, local.BEGUN):
            self._borders.pop(ours, None)
        self._retention_due_ns = 0

    def latest_lines(self, delivered: Iterable[KnownSeries]) -> list[bytes]:
        """Return the state lines for those of some series whose newest reading is older than readers look for it."""
        border_ns = self._borders.get("latest_ns", -(2**63))
        return [
            points.latest_line(known.series, known.newest_ns, known.newest_value)
            for known in delivered
            if known.told_ns <= known.newest_ns < border_ns
        ]

    def step(self, now_ns: int) -> bool:
        """Return whether there is more to do at once; what is on the lists is saved. Raises StoreUnavailable."""
        before_s = now_ns // 10**9 - 60 - GRACE_S
        windows = self._todo.due(before_s, WINDOWS_PER_STEP)
        if windows:
            self._roll_up(windows)
            return True
        if self._half_days.step(now_ns, before_s):
            # Soon: readers are told of a level that has become whole.
            self._retention_due_ns = now_ns
            return True
        if self._shrink():
            return True
        if now_ns >= self._retention_due_ns:
            if self._forget(now_ns):
                return True
            self._retention_due_ns = now_ns + RETENTION_INTERVAL_NS
        return False

    def _roll_up(self, windows: Sequence[Window]) -> None:
        wanted = set(windows)
        found = self._rollups.compute(self._buckets.raw, OF_READINGS, wanted, MINUTE_NS, longest=1_440)
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
        rollups = self._rollups.compute(self._buckets.minutes, OF_ROLLUPS, hours, HOUR_NS, longest=24 * 31)
        self._send(
            self._buckets.hours,
            [
                points.marked_line(
                    self._by_id[hour[0]].key,
                    hour[1] * HOUR_NS,
                    self._todo.mask_without(hour, by_hour[hour]),
                    rollups.get(hour),
                )
                for hour in sorted(hours)
            ],
        )
        self._todo.done(windows)

    def _send(self, bucket: str, lines: Sequence[bytes]) -> None:
        for refused in self._delivery.send(bucket, b"".join(lines)):
            log.error("rollup_refused", bucket=bucket, detail=refused.why, line=refused.line.decode())

    def _shrink(self) -> bool:
        """Give pages that a long backlog has left back to the disk, some at a time; True if there were enough of them."""
        ((free,),) = self._file.rows("PRAGMA freelist_count")
        if free < FREE_PAGES_KEPT:
            return False
        self._file.rows(f"PRAGMA incremental_vacuum({PAGES_PER_STEP})")
        return True

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
        borders["latest_ns"] = silent_ns
        if self._half_days.is_whole:
            borders["half_days"] = 1
        if self._by_id and borders != self._borders:
            silent = [k for k in list(self._by_id.values()) if before_ns <= k.newest_ns < silent_ns]
            lines = [
                points.latest_line(k.series, k.newest_ns, k.newest_value)
                for k in silent
                # Else there is one already, of a reading that still waits.
                if k.told_ns <= k.newest_ns
            ]
            # In this order: once the border is there, readers rely on the lines.
            self._send(self._buckets.state, lines)
            self._send(self._buckets.state, [points.border_line(borders)])
            with self._file.transaction() as db:
                local.save_borders(db, borders)
            self._borders = borders
        with self._file.lock:
            with self._file.transaction() as db:
                has_forgotten = self._telling.forget(db, borders["raw_ns"] if s.keep_raw_days else 0)
            if has_forgotten:
                self._telling.wrote()
        if s.keep_rejected_days:
            border_ns = int(now_ns - s.keep_rejected_days * DAY_NS)
            with self._file.transaction() as db:
                db.execute("DELETE FROM dead_letter WHERE received_ns < ?", (border_ns,))
        return moved and bool(self._by_id)


def _longer(days: float, finer_days: float) -> float:
    """Return how long a rollup is kept: never less than what it is made of, or it would be recomputed from a part."""
    return 0 if 0 in (days, finer_days) else max(days, finer_days)
