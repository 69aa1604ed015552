"""One frame for each group and tick: the first reading after a pause at once, then no more often than the tick. Pure.

The clock is whatever the caller passes as `now_s`, in seconds; frames go to the `emit` that was given.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from sensorline.reading import Reading
from sensorline_web.instants import all_to_ms
from sensorline_web.live.groups import Group, Groups, Wish

Frame = list[list[Any]]
"""One entry for each series: [device, metric, times in ms, values, 1 if the times are the device's own else 0]."""

MAX_WAITING = 5_000
"""Readings that wait for one frame of a group; above it only the newest of each series is kept: about 150 kB of JSON."""


class Coalescer:
    """Collects readings for groups and gives each its frame when it is due. Safe for several threads.

    `gather_s` is how long the first reading after a pause waits for others, `tick_s` the least time between frames.
    `emit(room, frame)` may raise OSError: the newest readings then wait for the next tick.
    """

    def __init__(
        self,
        emit: Callable[[str, Frame], None],
        *,
        tick_s: float,
        gather_s: float,
        max_waiting: int = MAX_WAITING,
        on_skipped: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._emit = emit
        self._tick_s = tick_s
        self._gather_s = gather_s
        self._max_waiting = max_waiting
        self._on_skipped = on_skipped
        self._groups = Groups()
        self._waiting: set[Group] = set()
        self._lock = threading.Lock()

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def watch(self, member: str, wish: Wish) -> tuple[str | None, str | None]:
        """Move a member to the group of its wish; return the rooms to leave and to join."""
        with self._lock:
            left, joined = self._groups.watch(member, wish)
            self._drop_dead()
            return left, joined

    def forget(self, member: str) -> str | None:
        """Take a member out of its group; return the room to leave."""
        with self._lock:
            room = self._groups.forget(member)
            self._drop_dead()
            return room

    def rooms_of(self, device: str) -> list[str]:
        """Return the rooms of those who watch something of a device."""
        with self._lock:
            return self._groups.rooms_of(device)

    def add(self, readings: Iterable[Reading], now_s: float) -> None:
        """Let readings wait for the groups that want them; for nobody they cost a look-up."""
        with self._lock:
            if not len(self._groups):
                return
            for reading in readings:
                for group in self._groups.of(reading.series):
                    self._put(group, reading, now_s)

    def next_due_s(self) -> float | None:
        """Return when the next frame is due, or None while nothing waits."""
        with self._lock:
            return min((group.due_s for group in self._waiting), default=None)

    def flush(self, now_s: float) -> int:
        """Emit every frame that is due and return how many. Emitting happens outside the lock."""
        with self._lock:
            due = [group for group in self._waiting if group.due_s <= now_s]
            frames = []
            for group in due:
                self._waiting.discard(group)
                frames.append((group, group.waiting))
                group.waiting, group.waiting_count, group.sent_s = {}, 0, now_s
        sent = 0
        for group, waiting in frames:
            try:
                self._emit(group.room, _frame(waiting))
                sent += 1
            except OSError:
                self._put_back(group, waiting, now_s)
        return sent

    def _put(self, group: Group, reading: Reading, now_s: float) -> None:
        if not group.waiting:
            group.due_s = max(now_s + self._gather_s, group.sent_s + self._tick_s)
            self._waiting.add(group)
        elif group.waiting_count >= max(self._max_waiting, 2 * len(group.waiting)):
            self._keep_newest(group)
        columns = group.waiting.get((reading.series, reading.has_own_time))
        if columns is None:
            columns = group.waiting[(reading.series, reading.has_own_time)] = ([], [])
        columns[0].append(reading.time_ns)
        columns[1].append(reading.value)
        group.waiting_count += 1

    def _keep_newest(self, group: Group) -> None:
        for times, values in group.waiting.values():
            newest = max(range(len(times)), key=times.__getitem__)
            times[:], values[:] = [times[newest]], [values[newest]]
        self._on_skipped(group.waiting_count - len(group.waiting))
        group.waiting_count = len(group.waiting)

    def _put_back(
        self, group: Group, waiting: dict[Any, tuple[list[int], list[float]]], now_s: float
    ) -> None:
        with self._lock:
            if not self._groups.is_alive(group):
                return
            for key, (times, values) in waiting.items():
                later = group.waiting.setdefault(key, ([], []))
                later[0][:0], later[1][:0] = times, values
                group.waiting_count += len(times)
            self._keep_newest(group)
            group.due_s = now_s + self._tick_s
            self._waiting.add(group)

    def _drop_dead(self) -> None:
        self._waiting = {group for group in self._waiting if self._groups.is_alive(group)}


def _frame(waiting: dict[Any, tuple[list[int], list[float]]]) -> Frame:
    return [
        [series.device, series.metric, all_to_ms(times), values, int(own)]
        for (series, own), (times, values) in waiting.items()
    ]
