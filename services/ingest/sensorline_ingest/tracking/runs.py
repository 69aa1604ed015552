"""One run of a device's own numbers: from where it began to where it is, and the holes in between.

A device that begins anew (another outbox, a counter that starts at 0) begins another run; see numbers.py.
"""

from bisect import bisect_left
from operator import attrgetter
from typing import Final

import msgspec

SMALL_JUMP: Final = 1_000
"""A jump of at most so many numbers is a hole, whatever the time says."""
JUMP_FACTOR: Final = 10
"""A larger one is a hole if the device could have used up its numbers meanwhile, even at ten times its pace."""
FRESH_MS: Final = 60_000
"""A node's new outbox begins with the time in ms: a number so close to its reading's time may be the first of one."""
PACE_NUMBERS: Final = 256
"""So many numbers tell a device's pace of late."""
KNOWN_PACE_NUMBERS: Final = 5

_last_of = attrgetter("last")


class Hole(msgspec.Struct, array_like=True, gc=False):
    """Numbers first … last that have not come; the times of the readings before and after; when it was found.

    `incident` names the event that it belongs to: see incidents.py.
    """

    first: int
    last: int
    before_ns: int
    after_ns: int
    found_ns: int
    incident: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class Run(msgspec.Struct, array_like=True, gc=False):
    """Numbers `first` … `next` - 1 have come, but for those in `holes` (ascending).

    `first_ns` and `newest_ns` are the times of the readings at both ends. `pace` is in numbers a second.
    """

    first: int
    next: int
    first_ns: int
    newest_ns: int
    holes: list[Hole] = []
    pace: float = 0.0
    anchor: int = 0
    anchor_ns: int = 0

    def advance(self, after: int, newest_ns: int) -> None:
        """The run goes on to the number before `after`, whose reading's time is given."""
        self.next, self.newest_ns = after, newest_ns
        if after - self.anchor >= PACE_NUMBERS:
            # A pause slows the pace only for a while: the best of late counts, and fades.
            self.pace = max(self._pace_since_anchor(), self.pace * 0.9)
            self.anchor, self.anchor_ns = after, newest_ns

    def _pace_since_anchor(self) -> float:
        if self.next - self.anchor < KNOWN_PACE_NUMBERS or not self.anchor_ns:
            return 0.0
        return (self.next - self.anchor) * 1e9 / max(self.newest_ns - self.anchor_ns, 10**6)

    def could_jump(self, numbers: int, time_ns: int, number: int, number_ns: int) -> bool:
        """Tell whether so many numbers can be missing over that time, before a number whose reading's time is known."""
        if numbers <= SMALL_JUMP:
            return True
        pace = max(self.pace, self._pace_since_anchor())
        if not pace:
            if abs(number_ns // 10**6 - number) < FRESH_MS:
                return False
            # Nothing is known yet, and no device numbers more than one a millisecond.
            pace = 1_000 / JUMP_FACTOR
        return numbers <= JUMP_FACTOR * pace * max(time_ns, 0) / 1e9

    def has_come(self, number: int) -> bool:
        """Tell whether a number has come: it is in the run and in none of its holes."""
        return self.first <= number < self.next and not self.is_missing(number)

    def is_missing(self, number: int) -> bool:
        """Tell whether a number is in a hole."""
        i = bisect_left(self.holes, number, key=_last_of)
        return i < len(self.holes) and self.holes[i].first <= number

    def fill(self, first: int, last: int, first_ns: int, last_ns: int) -> tuple[int, set[int]]:
        """Take numbers as come; return how many of them were missing, and the incidents that they belonged to.

        The times are those of the readings at both ends. Repeated numbers change nothing.
        """
        filled, incidents = 0, set()
        holes = self.holes
        i = bisect_left(holes, first, key=_last_of)
        while i < len(holes) and holes[i].first <= last:
            hole = holes[i]
            begin, end = max(first, hole.first), min(last, hole.last)
            filled += end - begin + 1
            incidents.add(hole.incident)
            if hole.first < begin and end < hole.last:
                rest = Hole(end + 1, hole.last, last_ns, hole.after_ns, hole.found_ns, hole.incident)
                hole.last, hole.after_ns = begin - 1, first_ns
                holes.insert(i + 1, rest)
                break
            if hole.first < begin:
                hole.last, hole.after_ns = begin - 1, first_ns
                i += 1
            elif end < hole.last:
                hole.first, hole.before_ns = end + 1, last_ns
                break
            else:
                del holes[i]
        return filled, incidents


def begin_run(first: int, last: int, first_ns: int, last_ns: int) -> Run:
    """Return a run of these numbers."""
    return Run(first, last + 1, first_ns, last_ns, [], 0.0, first, first_ns)
