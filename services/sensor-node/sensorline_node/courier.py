"""The courier: carries readings from the outbox to the broker until each is confirmed.

New readings go at once. What was not confirmed in time, and everything that waits when a connection begins, goes
again: oldest first, in arrays, in rounds through the outbox, so that nothing holds up what is behind it. A reading that
ingest rejects is confirmed too: it is kept there as a dead letter.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import structlog

from sensorline import topics
from sensorline_node.clock import Clock
from sensorline_node.link import Link
from sensorline_node.outbox import Outbox, Row

log = structlog.get_logger()

WINDOW = 2_000
"""Repeated readings that may be unconfirmed at a time: enough to keep a link busy, too few to swamp a broker."""

ARRAY_MAX = 500
"""Readings in one message."""

PAYLOAD_MAX_BYTES = 15_000
"""Stays under the 16 KiB packets to which a careful broker limits its clients; a larger one would be refused again
after each reconnection and nothing behind it would ever arrive."""

PATIENCE_S = 30.0
PATIENCE_MAX_S = 600.0
"""A reading that nobody confirms goes again after 30 s, then 60 s … 10 minutes, until something is confirmed: a broker
whose ingest is away all night is not filled with copies."""


class Point(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A reading on the wire; `ts` in milliseconds since 1970."""

    value: float
    ts: int
    unit: str = ""
    seq: int


class Courier:
    """Publishes readings, notes what is on its way, deletes what is confirmed. Used by one thread."""

    def __init__(self, device: str, outbox: Outbox, link: Link[Any], clock: Clock) -> None:
        self._topic = f"{topics.SENSORS}/{device}"
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._new: dict[int, float] = {}
        self._repeated: dict[int, float] = {}
        self._session = 0
        self._passed = 0
        self._has_work = True
        self._needs_another_round = False
        self._patience_s = PATIENCE_S

    @property
    def _is_open(self) -> bool:
        return self._link.is_connected and self._link.generation == self._session

    def begin_session(self) -> None:
        """Begin to send on the present connection; before this call nothing is sent on it.

        What is on its way is unknown now, so everything goes again, the newest values first.
        """
        self._session = self._link.generation
        self._new.clear()
        self._repeated.clear()
        self._passed = 0
        self._has_work = True
        self._patience_s = PATIENCE_S
        if self._outbox.count:
            self.send_new(self._outbox.newest(limit=200))

    def send_new(self, rows: Sequence[Row]) -> None:
        """Publish readings that were just taken; without a connection they wait."""
        sent = self._publish(rows)
        self._mark(self._new, sent)
        self._has_work |= len(sent) < len(rows)

    def send_waiting(self) -> None:
        """Publish what has waited longest, as much as the window allows. Cheap if there is nothing to do."""
        self._give_up_waiting()
        room = WINDOW - len(self._repeated)
        if not self._has_work or room <= 0 or not self._is_open:
            return
        if self._passed == 0:
            self._needs_another_round = False
        found = self._outbox.after(self._passed, limit=WINDOW)
        rows = [row for row in found if row.seq not in self._new and row.seq not in self._repeated][:room]
        sent = self._publish(rows)
        self._mark(self._repeated, sent)
        if len(sent) < len(rows):
            return  # The link took no more; the rest goes at the next turn, from the same place.
        if len(rows) == room:
            self._passed = rows[-1].seq
        elif len(found) == WINDOW:
            self._passed = found[-1].seq
        else:
            # The round is complete. The next one begins when something has waited too long, or has meanwhile.
            self._passed = 0
            self._has_work = self._needs_another_round

    def confirm(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Delete readings that are stored, by ranges of their numbers with both ends included."""
        ranges = list(ranges)
        deleted = self._outbox.confirm(ranges)
        known_new = sum(_unmark(self._new, first, last) for first, last in ranges)
        for first, last in ranges:
            _unmark(self._repeated, first, last)
        # A repeated reading arrived, so repeating helps. (New ones prove nothing about those that wait.)
        if deleted > known_new and self._patience_s > PATIENCE_S:
            self._patience_s = PATIENCE_S
            log.info("readings_confirmed_again", waiting=self._outbox.count)
        self._has_work |= bool(self._outbox.count) and deleted > known_new

    def _give_up_waiting(self) -> None:
        too_old_s = self._clock.monotonic_s() - self._patience_s
        expired = 0
        for marks in (self._new, self._repeated):
            # Marks are in the order of sending, so the first that is young enough ends the search.
            late = []
            for seq, sent_s in marks.items():
                if sent_s > too_old_s:
                    break
                late.append(seq)
            for seq in late:
                del marks[seq]
            expired += len(late)
        if not expired:
            return
        self._has_work = self._needs_another_round = True
        if self._patience_s == PATIENCE_S:
            log.warning(
                "readings_not_confirmed",
                waiting=self._outbox.count,
                detail=f"sent {PATIENCE_S:.0f} s ago; kept and sent again. Does ingest run, may this device publish?",
            )
        self._patience_s = min(2 * self._patience_s, PATIENCE_MAX_S)

    def _mark(self, marks: dict[int, float], seqs: Iterable[int]) -> None:
        now_s = self._clock.monotonic_s()
        for seq in seqs:
            marks[seq] = now_s

    def _publish(self, rows: Sequence[Row]) -> list[int]:
        """Publish one message for each metric, or several if they are many; return the numbers that were sent."""
        by_metric: dict[str, list[Row]] = {}
        for row in rows:
            by_metric.setdefault(row.metric, []).append(row)
        sent: list[int] = []
        if not self._is_open:
            return sent
        for metric, group in by_metric.items():
            for payload, seqs in payloads(group):
                if not self._link.publish(f"{self._topic}/{metric}", payload, qos=1):
                    return sent
                sent += seqs
        return sent


def _unmark(marks: dict[int, float], first: int, last: int) -> int:
    """Remove the marks of a range of numbers and return how many there were."""
    # A range can be one number or all there are; go through whichever is shorter.
    if last - first < len(marks):
        found = [seq for seq in range(first, last + 1) if seq in marks]
    else:
        found = [seq for seq in marks if first <= seq <= last]
    for seq in found:
        del marks[seq]
    return len(found)


def payloads(rows: Sequence[Row]) -> list[tuple[bytes, list[int]]]:
    """Return messages for readings of one metric, each with the numbers in it: an object for one, else arrays.

    An array has at most ARRAY_MAX readings and PAYLOAD_MAX_BYTES bytes; only its first reading repeats the unit.
    """
    out: list[tuple[bytes, list[int]]] = []
    parts: list[bytes] = []
    seqs: list[int] = []
    size = 0
    for row in rows:
        part = _encode(row, with_unit=not parts)
        if parts and (len(parts) == ARRAY_MAX or size + len(part) > PAYLOAD_MAX_BYTES):
            out.append((_join(parts), seqs))
            part, parts, seqs, size = _encode(row, with_unit=True), [], [], 0
        parts.append(part)
        seqs.append(row.seq)
        size += len(part) + 1
    if parts:
        out.append((_join(parts), seqs))
    return out


def _encode(row: Row, *, with_unit: bool) -> bytes:
    unit = row.unit if with_unit else ""
    return msgspec.json.encode(Point(value=row.value, ts=row.time_ms, unit=unit, seq=row.seq))


def _join(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"[" + b",".join(parts) + b"]"
