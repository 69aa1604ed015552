"""The courier: carries readings from the outbox to the broker until each is confirmed.

New readings go at once. What was not confirmed in time, and everything that waits when a connection begins, goes
again: oldest first, in arrays, in rounds through the outbox, so that nothing holds up what is behind it. A reading that
ingest rejects is confirmed too: it is kept there as a dead letter.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from sensorline import topics
from sensorline_node.clock import Clock
from sensorline_node.link import Link
from sensorline_node.marks import Marks
from sensorline_node.outbox import Outbox
from sensorline_node.parcels import Parcel, pack
from sensorline_node.patience import PATIENCE_S, Patience
from sensorline_node.rows import Row
from sensorline_node.suspicion import Suspicion
from sensorline_node.window import Window

CHUNK = 1_000
"""Readings that are sent at a time: some 5 ms of work, after which sensors and confirmations have their turn."""

SHOWN_METRICS, SHOWN_CHARS = 3, 30

HELD_MAX = 1_000
"""New readings that are remembered while one packet at a time is tried; what is more waits among the others."""


class Courier:
    """Publishes readings, notes what is on its way, deletes what is confirmed. Used by one thread.

    `patience_s` is how long a confirmation may take at first; `jitter` returns numbers from 0 to 1.
    """

    def __init__(
        self,
        device: str,
        outbox: Outbox,
        link: Link[Any],
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._topic = f"{topics.SENSORS}/{device}"
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._patience = Patience(patience_s, jitter, clock.monotonic_s())
        self._window = Window()
        self._suspicion = Suspicion()
        self._new = Marks()
        self._repeated = Marks()
        self._held: list[Row] = []
        self._session = 0
        self._passed = 0
        self._has_work = True
        self._needs_another_round = False
        self._is_blocked = False

    @property
    def _is_open(self) -> bool:
        return self._session != 0 and self._link.is_connected and self._link.generation == self._session

    @property
    def is_careful(self) -> bool:
        """True while nothing else may be sent on this connection: one packet at a time is being tried."""
        return self._is_open and self._suspicion.is_careful

    @property
    def has_more(self) -> bool:
        """True if `send_waiting()` would send more at once."""
        return (
            self._has_work
            and self._is_open
            and not self._is_blocked
            and not self._suspicion.is_careful
            and len(self._repeated) < self._window.size
        )

    def problems(self) -> list[str]:
        """Return sentences on what keeps readings from being stored, for people."""
        out = []
        if self._patience.is_unheard:
            out.append(
                f"readings are sent and nothing is confirmed: does ingest run, and may this device write {self._topic}/…"
                f" and read {topics.ACKS}{self._topic.removeprefix(topics.SENSORS)}?"
            )
        if self._suspicion.refused:
            # A sentence with the whole names could be as large as what the broker does not take.
            names = ", ".join(name[:SHOWN_CHARS] for name in sorted(self._suspicion.refused)[:SHOWN_METRICS])
            out.append(f"the broker does not take readings of {names}")
        return out

    def begin_session(self) -> None:
        """Begin to send on the present connection; before this call nothing is sent on it.

        What is on its way is unknown now, so everything goes again, the newest values first.
        """
        self.end_session()
        self._session = self._link.generation
        self._passed = 0
        self._has_work = True
        self._patience.reset()
        self._window.begin()
        if self._outbox.count:
            self.send_new(self._outbox.newest(limit=200))

    def end_session(self) -> None:
        """Note that the connection has ended, if it has not been noted yet. Call it before anything goes out on the next one."""
        if self._session == 0:
            return
        self._session = 0
        under_way = [*self._new, *self._repeated]
        if under_way:
            now_s = self._clock.monotonic_s()
            refused = self._suspicion.ended(self._link.unacknowledged_count, under_way, now_s)
            self._outbox.set_aside(refused.seqs if refused else [])
        self._new.clear()
        self._repeated.clear()
        self._held.clear()

    def send_new(self, rows: Sequence[Row]) -> None:
        """Publish readings that were just taken; without a connection they wait."""
        if self.is_careful:
            # They are next, one by one.
            self._held += rows[: max(0, HELD_MAX - len(self._held))]
            self._has_work = True
        elif not self._publish(rows, self._new):
            self._has_work = True

    def send_waiting(self) -> None:
        """Publish what has waited longest, as much as the window allows. Cheap if there is nothing to do."""
        self._is_blocked = False
        self._give_up_waiting()
        if self._suspicion.forgives(self._clock.monotonic_s()) and self._outbox.bring_back():
            self._has_work = True
        if self.is_careful:
            self._send_singly()
        elif self.has_more:
            rows = self._next_waiting(min(CHUNK, self._window.size - len(self._repeated)))
            # If the link takes no more, the rest goes at the next turn, from the same place.
            if rows and self._publish(rows, self._repeated):
                self._passed = rows[-1].seq

    def _next_waiting(self, limit: int) -> list[Row]:
        """Return the next readings of this round that are not on their way; none if the round is complete."""
        if self._passed == 0:
            self._needs_another_round = False
        while True:
            found = self._outbox.after(self._passed, limit=CHUNK)
            rows = [row for row in found if row.seq not in self._new and row.seq not in self._repeated]
            if rows:
                return rows[:limit]
            if len(found) < CHUNK:
                # The next round begins when something has waited too long, or has meanwhile.
                self._passed = 0
                self._has_work = self._needs_another_round
                return []
            self._passed = found[-1].seq

    def _send_singly(self) -> None:
        """Publish one parcel if the broker has acknowledged all that went before."""
        if self._link.unacknowledged_count:
            return
        if self._suspicion.alone is not None:
            self._suspicion.passed()
        rows = self._suspicion.next_of(self._outbox.after)
        if rows and self._held:
            rows = [self._held.pop(0)]
        if not rows:
            self._let_go()
        for parcel in self._sendable(rows)[:1]:
            if self._hand_over(parcel):
                self._suspicion.alone = parcel
                self._repeated.add(parcel.seqs, self._clock.monotonic_s())

    def _let_go(self) -> None:
        """Send normally again, first of all what was held meanwhile."""
        held, self._held = self._held, []
        self.send_new(held)

    def confirm(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Delete readings that are stored, by ranges of their numbers with both ends included."""
        deleted = self._outbox.confirm(ranges)
        # If the file cannot be written they count as being on their way, so that they do not go again and again meanwhile.
        if not deleted:
            return
        now_s = self._clock.monotonic_s()
        new_count, _ = self._new.remove(ranges)
        repeated_count, sent_s = self._repeated.remove(ranges)
        if repeated_count:
            self._window.confirmed(repeated_count, now_s - sent_s, now_s)
        elif not new_count:
            # They had been given up already.
            self._window.confirmed(deleted, self._patience.s, now_s)
        self._patience.confirmed(self._outbox.count, now_s, is_repeated=deleted > new_count)

    def _give_up_waiting(self) -> None:
        now_s = self._clock.monotonic_s()
        too_old_s = now_s - self._patience.s
        if self._new.expire(too_old_s) + self._repeated.expire(too_old_s):
            self._has_work = self._needs_another_round = True
            self._window.begin()
            self._patience.expired(self._outbox.count, now_s)

    def _publish(self, rows: Sequence[Row], marks: Marks) -> bool:
        """Publish readings and mark them; False if the link did not take all of them."""
        if not self._is_open:
            return False
        for parcel in self._sendable(rows):
            if not self._hand_over(parcel):
                self._is_blocked = True
                return False
            marks.add(parcel.seqs, self._clock.monotonic_s())
        return True

    def _sendable(self, rows: Sequence[Row]) -> list[Parcel]:
        """Return parcels of what the broker takes; set aside what it does not."""
        refused = self._suspicion.refused
        if refused and any(row.metric in refused for row in rows):
            self._outbox.set_aside([row.seq for row in rows if row.metric in refused])
            rows = [row for row in rows if row.metric not in refused]
        return pack(rows, self._suspicion.payload_max)

    def _hand_over(self, parcel: Parcel) -> bool:
        return self._link.publish(f"{self._topic}/{parcel.metric}", parcel.payload, qos=1)
