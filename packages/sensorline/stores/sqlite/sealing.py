"""Sealing: from memory and journal into blocks, a few series at a time.

A cycle goes once through all series that have something to seal: what is before the end of the last window, or everything, when
memory is full. Each step is one transaction: blocks, rollups, and the note of how far the series is. After a
whole cycle, the journal's entries that it covered are needed no more.
"""

from bisect import bisect_left

from sensorline.pausing import pause_at
from sensorline.stores.sqlite import marks as marks_
from sensorline.stores.sqlite import sealed
from sensorline.stores.sqlite.blocks import Column
from sensorline.stores.sqlite.buffers import Buffer
from sensorline.stores.sqlite.layout import WINDOW_NS
from sensorline.stores.sqlite.state import WriterState

GRACE_NS = 5 * 10**9
"""A window is sealed this long after its end, so that stragglers of live data go into its first block."""

UNSEALED_MAX = 360_000
"""With more unsealed readings than this, everything is sealed early: 6 MB, or ten minutes of 500 series at 1 Hz and a fifth more."""

READINGS_PER_STEP = 8_192
WINDOWS_PER_STEP = 48
LOOK_EVERY_NS = 10 * 10**9
LATE_EVERY_NS = 60 * 10**9
"""Readings that come late for windows that are sealed already wait up to this long, so that they come together."""

_EVER_NS = 2**63 - 1


class Sealing:
    """One step at a time."""

    def __init__(self, state: WriterState) -> None:
        self._state = state
        self._left: list[int] = []
        self._before_ns = 0
        self._entry = 0
        self._is_under_way = False
        self._sealed_before_ns = 0
        self._late_due_ns = 0
        self._cycles_stuck = 0

    def step(self, now_ns: int) -> bool:
        """Seal some; True if something was done. Raises sqlite3.Error, and nothing has changed then."""
        if not self._is_under_way and not self._begin(now_ns):
            return False
        if self._left:
            self._seal_some()
        else:
            self._end()
        return True

    def _begin(self, now_ns: int) -> bool:
        """Begin a cycle if there is a reason for one."""
        buffers = self._state.buffers
        before_ns = (now_ns - GRACE_NS) // WINDOW_NS * WINDOW_NS
        if buffers.unsealed > UNSEALED_MAX or (self._cycles_stuck > 2 and buffers.filled):
            # Also when entries have waited for cycles because of readings of the future.
            before_ns = _EVER_NS
        elif before_ns <= self._sealed_before_ns:
            if now_ns < self._late_due_ns:
                return False
            self._late_due_ns = now_ns + LOOK_EVERY_NS
            if next(buffers.due(before_ns), None) is None:
                return False
            self._late_due_ns = now_ns + LATE_EVERY_NS
        self._left = sorted((buffer.id for buffer in buffers.due(before_ns)), reverse=True)
        self._before_ns, self._entry = before_ns, self._state.journal.newest
        if before_ns != _EVER_NS:
            self._sealed_before_ns = before_ns
        self._is_under_way = bool(self._left) or self._entry > self._state.marks.sealed_to
        return self._is_under_way

    def _seal_some(self) -> None:
        state, left = self._state, self._left[:]
        done: list[tuple[Buffer, int, int]] = []
        readings = windows = 0
        with state.transaction():
            is_all = True
            # A series that is not all done ends the step: until then its readings are in memory still, and would be taken again.
            while left and is_all and readings < READINGS_PER_STEP and windows < WINDOWS_PER_STEP:
                buffer = state.buffers.by_id[left.pop()]
                count, sealed_ns, is_all = self._part(
                    buffer, READINGS_PER_STEP - readings, WINDOWS_PER_STEP - windows
                )
                if not is_all:
                    left.append(buffer.id)
                if count:
                    column = buffer.times_ns[:count], buffer.values[:count]
                    windows += sealed.add(state.db, state.marks, buffer.id, column)
                    readings += count
                    self._note(buffer, column, sealed_ns)
                    done.append((buffer, count, sealed_ns))
            state.db.execute("UPDATE counter SET n = n + ? WHERE name = 'readings'", (readings,))
            after = marks_.save(state.db, state.marks)
            pause_at("sealing")
        state.marks = after
        state.lookup.forget()
        state.written_bytes += readings * 4 + windows * 1_000
        self._left = left
        for buffer, count, sealed_ns in done:
            newest_ns, value = buffer.times_ns[count - 1], buffer.values[count - 1]
            if newest_ns > buffer.sealed_newest_ns:
                buffer.sealed_newest_ns, buffer.sealed_value = newest_ns, value
            buffer.sealed_entry, buffer.sealed_ns = state.journal.newest, sealed_ns
            state.buffers.sealed(buffer, count)

    def _part(self, buffer: Buffer, readings: int, windows: int) -> tuple[int, int, bool]:
        """Return how many of the first readings are to be sealed now, up to which time, and whether that is all.

        The note says that everything before a time is sealed. So what is before the time noted last goes together.
        """
        times_ns = buffer.times_ns
        if not times_ns:
            return 0, 0, True
        end_ns = max(min(self._before_ns, times_ns[-1] + 1), buffer.sealed_ns)
        behind = bisect_left(times_ns, end_ns)
        count = bisect_left(times_ns, buffer.sealed_ns)
        cut_ns = buffer.sealed_ns
        while count < behind and readings > count and windows > 0:
            windows -= 1
            cut_ns = min((times_ns[count] // WINDOW_NS + 1) * WINDOW_NS, end_ns)
            if count + READINGS_PER_STEP < behind:
                cut_ns = min(cut_ns, times_ns[count + READINGS_PER_STEP])
            count = bisect_left(times_ns, cut_ns, count)
        if count == behind:
            return count, end_ns, True
        return count, cut_ns, False

    def _note(self, buffer: Buffer, column: Column, sealed_ns: int) -> None:
        state = self._state
        newest_ns, value = column[0][-1], column[1][-1]
        if newest_ns <= buffer.sealed_newest_ns:
            newest_ns, value = buffer.sealed_newest_ns, buffer.sealed_value
        state.db.execute(
            "UPDATE series SET sealed_entry = ?, sealed_ns = ?, latest_ns = ?, latest_value = ? WHERE id = ?",
            (state.journal.newest, sealed_ns, newest_ns, value, buffer.id),
        )

    def _end(self) -> None:
        """End the cycle: what the journal's entries of before its begin hold is sealed."""
        state = self._state
        sealed_to = state.retained.sealed_up_to(state.marks.sealed_to, self._entry, self._before_ns)
        is_stuck = self._entry > state.marks.sealed_to >= sealed_to
        self._cycles_stuck = self._cycles_stuck + 1 if is_stuck else 0
        if sealed_to > state.marks.sealed_to:
            newest, takes_snapshot = state.journal.newest, state.notes.is_due
            with state.transaction():
                after = marks_.save(state.db, state.marks, sealed_to=sealed_to)
                state.marks = after
                if takes_snapshot:
                    state.notes.save(state.db, newest)
                state.gather_receipts()
                state.journal.shrink()
            if takes_snapshot:
                state.notes.saved(newest)
            state.trim()
        self._is_under_way = False
