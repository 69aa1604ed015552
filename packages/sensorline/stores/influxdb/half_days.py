"""The half-day level: what a question about years is answered from, two rows a day and series.

A row says min, max, sum and n, and whether it is whole (`todo` 0). It is told that it is not before the window's first reading is sent,
and again before a late one; it becomes whole when the half-day is over and its minutes and hours are. Readers take hours in its place until then.

A bucket that is older than this level has hours and no half-days. So the level begins when its bucket is there, with what is to do at
that moment; then the past is filled in, a series a step; then readers are told (`half_days` in the border) that they can rely on it.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import structlog

from sensorline.stores.buckets import HALF_DAY_NS, SECOND_NS
from sensorline.stores.influxdb import local, points
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import Delivery, Misconfigured
from sensorline.stores.influxdb.known import KnownSeries
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.influxdb.names import influxql_name, stored_name
from sensorline.stores.influxdb.rollups import OF_ROLLUPS, Rollups, Step
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.todo import Window

log = structlog.get_logger()

HALF_DAY_S = HALF_DAY_NS // SECOND_NS
MINUTES = HALF_DAY_S // 60

WINDOWS_PER_STEP = 500
BEGIN_AGAIN_NS = 600 * SECOND_NS


class HalfDays:
    """What is to do, durable here, and the steps that do it. `add`, then `save` in a transaction, then `saved` after it."""

    def __init__(
        self,
        file: LocalFile,
        connection: Connection,
        delivery: Delivery,
        buckets: Buckets,
        by_id: Mapping[int, KnownSeries],
    ) -> None:
        self._file = file
        self._connection = connection
        self._delivery = delivery
        self._buckets = buckets
        self._by_id = by_id
        self._rollups = Rollups(connection, by_id)
        # What readers have been told is not known at a start, so they are told again.
        self._told: set[Step] = set()
        self._unsaved: set[Step] = set()
        self._begin_due_ns = 0
        self._has_complained = False
        self.has_begun = local.BEGUN in local.load_borders(file)

    def add(self, minutes: Iterable[Window]) -> list[bytes]:
        """Note the half-days of minutes; return the lines that tell readers, to be sent before those of hours."""
        to_tell = {(series_id, minute // MINUTES) for series_id, minute in minutes} - self._told
        self._told |= to_tell
        self._unsaved |= to_tell
        return self._marks(sorted(to_tell)) if self.has_begun else []

    def save(self, db: sqlite3.Connection) -> None:
        """Write what was added."""
        db.executemany(
            "INSERT OR IGNORE INTO dirty_half_day VALUES (?, ?)",
            sorted((step * HALF_DAY_S, series_id) for series_id, step in self._unsaved),
        )

    def saved(self) -> None:
        """The transaction has succeeded."""
        self._unsaved.clear()

    def step(self, now_ns: int, before_s: int) -> bool:
        """Do one step, all minutes that begin at or before `before_s` being done; True if it was one."""
        if not self._by_id:
            return False
        if not self.has_begun:
            return now_ns >= self._begin_due_ns and self._begin(now_ns)
        due = self._file.rows(
            "SELECT series_id, start_s FROM dirty_half_day WHERE start_s <= ? ORDER BY start_s LIMIT ?",
            (before_s + 60 - HALF_DAY_S, WINDOWS_PER_STEP),
        )
        if due:
            self._roll_up([(series_id, start_s // HALF_DAY_S) for series_id, start_s in due])
            return True
        to_fill = self._file.rows("SELECT series_id FROM series_to_fill LIMIT 1")
        for (series_id,) in to_fill:
            self._fill(self._by_id[series_id])
        return bool(to_fill)

    @property
    def is_whole(self) -> bool:
        """True when readers can rely on the level."""
        return self.has_begun and not self._file.rows("SELECT 1 FROM series_to_fill LIMIT 1")

    def _begin(self, now_ns: int) -> bool:
        rows = self._file.rows("SELECT series_id, start_s FROM dirty_half_day")
        steps = [(series_id, start_s // HALF_DAY_S) for series_id, start_s in rows]
        if not steps:
            return False
        self._begin_due_ns = now_ns + BEGIN_AGAIN_NS
        try:
            self._send(self._marks(steps))
        except Misconfigured as exc:
            if not self._has_complained:
                self._has_complained = True
                log.warning(
                    "half_day_level_missing",
                    detail=f"{exc}. Until `sensorline influx setup` was run again, questions about years take longer",
                )
            return False
        with self._file.transaction() as db:
            local.save_borders(db, {local.BEGUN: 1})
        self.has_begun = True
        self._told.update(steps)
        return True

    def _marks(self, steps: Iterable[Step]) -> list[bytes]:
        return [
            points.marked_line(self._by_id[series_id].key, step * HALF_DAY_NS, 1, None)
            for series_id, step in steps
        ]

    def _roll_up(self, steps: Sequence[Step]) -> None:
        found = self._rollups.compute(
            self._buckets.hours, OF_ROLLUPS, set(steps), HALF_DAY_NS, longest=2 * 62
        )
        self._send(
            [
                points.marked_line(self._by_id[step[0]].key, step[1] * HALF_DAY_NS, 0, found.get(step))
                for step in steps
            ]
        )
        with self._file.transaction() as db:
            db.executemany(
                "DELETE FROM dirty_half_day WHERE start_s = ? AND series_id = ?",
                [(step * HALF_DAY_S, series_id) for series_id, step in steps],
            )
        self._told.difference_update(steps)

    def _fill(self, known: KnownSeries) -> None:
        """Write the half-days of a series that were over before the level began; what is to do is left to its own step."""
        statement = (
            f"SELECT {OF_ROLLUPS}, max(todo) FROM {influxql_name(known.series.metric)} WHERE device = $d"
            f" AND time >= {known.oldest_ns // HALF_DAY_NS * HALF_DAY_NS} AND time <= {known.newest_ns}"
            f" GROUP BY time({HALF_DAY_S}s) fill(none)"
        )
        (tables,) = self._connection.influxql(
            self._buckets.hours, [statement], d=stored_name(known.series.device)
        )
        rows = self._file.rows("SELECT start_s FROM dirty_half_day WHERE series_id = ?", (known.id,))
        due = {start_s for (start_s,) in rows}
        self._send(
            [
                points.marked_line(
                    known.key, start_ns, 1 if todo else 0, (low, high, total, n) if n else None
                )
                for table in tables
                for start_ns, low, high, total, n, todo in table.values
                if start_ns // SECOND_NS not in due
            ]
        )
        with self._file.transaction() as db:
            db.execute("DELETE FROM series_to_fill WHERE series_id = ?", (known.id,))

    def _send(self, lines: Sequence[bytes]) -> None:
        for refused in self._delivery.send(self._buckets.half_days, b"".join(lines)):
            log.error(
                "rollup_refused",
                bucket=self._buckets.half_days,
                detail=refused.why,
                line=refused.line.decode(),
            )
