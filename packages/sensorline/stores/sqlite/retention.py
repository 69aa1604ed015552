"""Retention: what is older than it is to be kept is hidden at once, at whole hours, and deleted in steps, at whole days.

An hour's rollup holds what its minutes held, and a minute's what its readings held: so each level may be forgotten at a time of its own,
the coarser ones later.
"""

from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import events
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite.layout import DAY_NS, DAYS, WINDOW_NS, WINDOWS, summary_key
from sensorline.stores.sqlite.state import WriterState

INTERVAL_NS = 600 * 10**9
ROWS_PER_STEP = 500
SERIES_PER_STEP = 500
_HOUR_S = 3600
_SECOND_NS = 10**9


def _longer(days: float, finer_days: float) -> float:
    """Return how long a rollup is kept: never less than what it is made of."""
    return 0 if 0 in (days, finer_days) else max(days, finer_days)


class Retention:
    """One step at a time."""

    def __init__(self, state: WriterState, settings: StoreSettings) -> None:
        self._state = state
        self._raw_days = settings.keep_raw_days
        self._minutes_days = _longer(settings.keep_minutes_days, settings.keep_raw_days)
        self._hours_days = _longer(settings.keep_hours_days, self._minutes_days)
        self._rejected_days = settings.keep_rejected_days
        self._due_ns = 0
        self._series_left: list[int] | None = None

    def step(self, now_ns: int) -> bool:
        """Forget some; True if there may be more at once. Raises sqlite3.Error."""
        if now_ns < self._due_ns:
            return False
        if self._move_borders(now_ns) or self._delete_days() or self._delete_summaries():
            return True
        # An event is about readings: it goes with them.
        events.forget(self._state.db, self._state.marks.raw_from_ns if self._raw_days else 0)
        if self._rejected_days:
            self._state.db.execute(
                "DELETE FROM dead_letter WHERE received_ns < ?", (int(now_ns - self._rejected_days * DAY_NS),)
            )
        self._series_left = None
        self._due_ns = now_ns + INTERVAL_NS
        return False

    def _move_borders(self, now_ns: int) -> bool:
        marks = self._state.marks
        changed: dict[str, int] = {}
        for name, days in (
            ("raw_deleted_before_s", self._raw_days),
            ("minutes_deleted_before_s", self._minutes_days),
            ("hours_deleted_before_s", self._hours_days),
        ):
            border_s = int(now_ns - days * DAY_NS) // _SECOND_NS // _HOUR_S * _HOUR_S
            if days and border_s > getattr(marks, name):
                changed[name] = border_s
        if not changed:
            return False
        with self._state.transaction():
            after = marks_.save(self._state.db, marks, **changed)
        self._state.marks = after
        return True

    def _delete_days(self) -> bool:
        """Delete single readings and minutes of days that are over the border as a whole."""
        marks = self._state.marks
        deleted = 0
        for table, key in (
            (WINDOWS.table, WINDOWS.span_key(marks.raw_from_ns // WINDOW_NS)),
            (DAYS.table, DAYS.span_key(marks.raw_from_ns // DAY_NS)),
            (DAYS.minutes_table, DAYS.minutes_key(marks.minutes_from_ns // DAY_NS, 0)),
        ):
            deleted += self._state.db.execute(
                f"DELETE FROM {table} WHERE id < ?1 AND id < coalesce("
                f"(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {ROWS_PER_STEP}), ?1)",
                (key,),
            ).rowcount
        self._state.lookup.forget()
        return deleted > 0

    def _delete_summaries(self) -> bool:
        """Delete hours of days that are over the border as a whole, some series a step; True if there are more."""
        day = self._state.marks.hours_from_ns // DAY_NS
        if not day:
            return False
        if self._series_left is None:
            self._series_left = list(self._state.buffers.by_id)
        some = self._series_left[-SERIES_PER_STEP:]
        del self._series_left[-SERIES_PER_STEP:]
        with self._state.transaction():
            self._state.db.executemany(
                "DELETE FROM day_summary WHERE id >= ? AND id < ?",
                [(summary_key(series_id, 0), summary_key(series_id, day)) for series_id in some],
            )
        return bool(self._series_left)
