"""A device's own numbers (`seq`): which never came, exactly, in bounded memory.

Numbers come in ranges: first, last, and the times of their readings. What has come is in runs. A range goes on with a run,
leaves a hole, fills one, repeats what has come, or begins another run, since the device has begun anew:

    a jump ahead    too far for the time that has passed: another outbox (a node's begins with the time in ms)
    a step back     to 0, 1 or the run's first number, or by more than 1,000, with a newer time, and the number after it follows
"""

from typing import Final

import msgspec

from sensorline.events import Event
from sensorline_ingest.tracking.incidents import JOIN_NS, Incident, due_event
from sensorline_ingest.tracking.runs import SMALL_JUMP, Hole, Run, begin_run

MAX_HOLES: Final = 500
"""So many holes of a device are kept with their numbers; the numbers of the oldest beyond are only counted."""
MAX_RUNS: Final = 4
MAX_MISSING: Final = 2**48
"""So many numbers of a device are missing at most; what would be more begins another run. The sum over all devices stays in 64 bits."""
HOLES_IN_INCIDENT: Final = 100
INCIDENTS_A_BATCH: Final = 10
"""Of one batch a device makes so many events; its further holes belong to the last of them, wherever they lie."""

Range = tuple[int, int, int, int]
"""First and last number, both included, and the times of their readings in ns."""


class Numbers(msgspec.Struct, array_like=True, gc=False):
    """Runs, oldest first; the last one is what the device does now. `missing` is exact, however many holes there are."""

    runs: list[Run] = []
    incidents: dict[int, Incident] = {}
    missing: int = 0
    latest: int = 0
    """The incident of the hole that was found last."""
    anew: Run | None = None
    """What would be another run, if the number after it follows."""
    batch_ns: int = 0
    batch_incidents: int = 0
    """How many incidents began in the batch of that time."""

    @property
    def expected(self) -> int:
        """The number that comes next, if all is well; 0 before the first."""
        return self.runs[-1].next if self.runs else 0

    @property
    def newest_ns(self) -> int:
        """The time of the newest number's reading; 0 before the first."""
        return self.runs[-1].newest_ns if self.runs else 0

    def take(self, numbers: Range, now_ns: int, touched: set[int]) -> None:
        """Take a range as come. Incidents that change are added to `touched`."""
        first, last, first_ns, last_ns = numbers
        runs = self.runs
        if not runs:
            runs.append(begin_run(*numbers))
            return
        run = runs[-1]
        if first == run.next:
            self.anew = None
            run.advance(last + 1, last_ns)
            return
        if first_ns < run.first_ns and len(runs) > 1 and self._belongs_to_earlier(numbers, now_ns, touched):
            return
        if first > run.next:
            jump = first - run.next
            if self._has_room(jump) and run.could_jump(jump, first_ns - run.newest_ns, first, first_ns):
                self._add_hole(run, run.next, first - 1, run.newest_ns, first_ns, now_ns, touched)
                self.anew = None
                run.advance(last + 1, last_ns)
            elif not self._belongs_to_earlier(numbers, now_ns, touched):
                self._begin(begin_run(*numbers), touched)
        elif self._begins_anew(run, numbers, now_ns, touched):
            return
        elif first >= run.first:
            self._take_again(run, numbers, touched)
        elif not self._belongs_to_earlier(numbers, now_ns, touched):
            self._take_before(run, numbers, now_ns, touched)

    def _take_again(self, run: Run, numbers: Range, touched: set[int]) -> None:
        """Numbers of the run's past fill holes or are repetitions; the rest goes on with it."""
        first, last, first_ns, last_ns = numbers
        filled, incidents = run.fill(first, last, first_ns, last_ns)
        if last >= run.next:
            run.advance(last + 1, last_ns)
        if filled:
            self.missing -= filled
            touched |= incidents
            for incident in incidents:
                self._forget_if_empty(incident)

    def _take_before(self, run: Run, numbers: Range, now_ns: int, touched: set[int]) -> None:
        """Numbers from before the run's first: it began earlier than we knew, or they are of a run that is over."""
        first, last, first_ns, last_ns = numbers
        jump = max(run.first - last - 1, 0)
        if not (self._has_room(jump) and run.could_jump(jump, run.first_ns - last_ns, first, first_ns)):
            self._begin(begin_run(*numbers), touched, at=len(self.runs) - 1)
            return
        before = run.first
        run.first, run_first_ns, run.first_ns = first, run.first_ns, first_ns
        if jump:
            self._add_hole(run, last + 1, before - 1, last_ns, run_first_ns, now_ns, touched)
        elif last >= before:
            self._take_again(run, (before, last, first_ns, last_ns), touched)

    def _belongs_to_earlier(self, numbers: Range, now_ns: int, touched: set[int]) -> bool:
        """Take a range of an earlier run: late readings, or a device of which there are two."""
        first, last, first_ns, last_ns = numbers
        for i in range(len(self.runs) - 2, -1, -1):
            run = self.runs[i]
            if run.first <= first <= run.next:
                self._take_again(run, numbers, touched)
                return True
            jump = first - run.next
            is_older = first_ns < self.runs[i + 1].first_ns and jump > 0 and self._has_room(jump)
            if is_older and run.could_jump(jump, first_ns - run.newest_ns, first, first_ns):
                self._add_hole(run, run.next, first - 1, run.newest_ns, first_ns, now_ns, touched)
                run.advance(last + 1, last_ns)
                return True
        return False

    def _begins_anew(self, run: Run, numbers: Range, now_ns: int, touched: set[int]) -> bool:
        first, last, first_ns, last_ns = numbers
        anew = self.anew
        if anew is not None and anew.next <= first <= anew.next + SMALL_JUMP and first_ns >= anew.newest_ns:
            jump = first - anew.next
            self._begin(anew, touched)
            if jump:
                self._add_hole(anew, anew.next, first - 1, anew.newest_ns, first_ns, now_ns, touched)
            anew.advance(last + 1, last_ns)
            return True
        is_a_beginning = first <= 1 or first == run.first or first < run.next - SMALL_JUMP
        if (
            not is_a_beginning
            or first_ns <= run.newest_ns
            or run.next - first <= 1
            or run.is_missing(first)
            or (first < run.first and first > 1 and first >= run.next - SMALL_JUMP)
        ):
            return False
        self.anew = begin_run(*numbers)
        if last > first:
            self._begin(self.anew, touched)
        return True

    def _begin(self, run: Run, touched: set[int], at: int | None = None) -> None:
        self.anew = None
        self.runs.insert(len(self.runs) if at is None else at, run)
        while len(self.runs) > MAX_RUNS:
            holes = self.runs[0].holes
            while holes:
                self._only_count(holes.pop(0), touched)
            del self.runs[0]

    def _has_room(self, numbers: int) -> bool:
        return self.missing + numbers <= MAX_MISSING

    def _add_hole(
        self, run: Run, first: int, last: int, before_ns: int, after_ns: int, now_ns: int, touched: set[int]
    ) -> None:
        incident = self._incident_for(before_ns, after_ns, now_ns)
        incident.holes += 1
        touched.add(incident.id)
        hole = Hole(first, last, before_ns, after_ns, now_ns, incident.id)
        if run.holes and run.holes[-1].first > first:
            run.holes.insert(0, hole)
        else:
            run.holes.append(hole)
        self.missing += len(hole)
        if sum(len(r.holes) for r in self.runs) > MAX_HOLES:
            oldest = next(r for r in self.runs if r.holes)
            self._only_count(oldest.holes.pop(0), touched)

    def _incident_for(self, before_ns: int, after_ns: int, now_ns: int) -> Incident:
        latest = self.incidents.get(self.latest)
        if now_ns != self.batch_ns:
            self.batch_ns, self.batch_incidents = now_ns, 0
        if latest is not None and (
            self.batch_incidents >= INCIDENTS_A_BATCH
            or (
                latest.holes < HOLES_IN_INCIDENT
                and latest.start_ns - JOIN_NS <= before_ns <= latest.end_ns + JOIN_NS
            )
        ):
            latest.start_ns = min(latest.start_ns, before_ns)
            latest.end_ns = max(latest.end_ns, after_ns)
            return latest
        number = before_ns // 10**6
        while number in self.incidents or number == self.latest:
            number += 1
        self.latest = number
        self.batch_incidents += 1
        incident = self.incidents[number] = Incident(number, before_ns, after_ns)
        return incident

    def _only_count(self, hole: Hole, touched: set[int]) -> None:
        incident = self.incidents[hole.incident]
        incident.lost += len(hole)
        touched.add(incident.id)
        if incident.lost == incident.told and not self._holes_of(incident.id):
            del self.incidents[incident.id]

    def _holes_of(self, incident: int) -> list[Hole]:
        return [hole for run in self.runs for hole in run.holes if hole.incident == incident]

    def _forget_if_empty(self, number: int) -> None:
        incident = self.incidents[number]
        if incident.told < 0 and not incident.lost and not self._holes_of(number):
            del self.incidents[number]

    def due(self, device: str, touched: set[int], now_ns: int) -> list[Event]:
        """Return the events that are to be stored now of the incidents in `touched`, and take it that they are.

        Those of which all is told are taken out of `touched`. Nothing else changes when there are no events.
        """
        events = []
        for number in sorted(touched):
            incident = self.incidents.get(number)
            if incident is None:
                touched.discard(number)
                continue
            holes = self._holes_of(number)
            event = due_event(device, incident, holes, now_ns)
            if event is not None:
                events.append(event)
            if incident.told == incident.lost + sum(map(len, holes)):
                touched.discard(number)
                if event is not None and not holes:
                    # Nothing of it can change any more.
                    del self.incidents[number]
        return events

    def ranges(self) -> list[tuple[int, int]]:
        """Return the numbers that are missing, as far as they are kept: ranges, oldest run first."""
        return [(hole.first, hole.last) for run in self.runs for hole in run.holes]
