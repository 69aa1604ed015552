"""What has arrived and is not yet acknowledged: a bounded queue that knows connections (generations).

A broker that loses its connection sends unacknowledged messages again on the next one. A message that still waits
here is then not queued a second time: it keeps its place and its received time, and its acknowledgement goes to the
new connection. So memory stays bounded however often the connection breaks while the store is down.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from operator import itemgetter

import msgspec

from sensorline.mqtt.turns import Turns

RawMessage = tuple[bytes, bytes, int, int, int]
"""topic, payload, packet identifier (0 with QoS 0), the PUBLISH header's four flag bits, received time in ns (whole ms)."""

FLAG_DUP, FLAG_QOS, FLAG_RETAIN = 0x08, 0x06, 0x01

DENSE_MESSAGES = 64
"""A wait for company that brought this many messages is worth repeating: each batch costs something, whatever its size."""
LINGERS_MOST = 8
"""So a batch waits at most this often: as long as messages keep streaming in, nobody is better off with a smaller one."""

_packet_id_of = itemgetter(2)


class Arrivals(msgspec.Struct, gc=False, eq=False):
    """Messages of one connection, in the order in which they arrived. Acknowledge each list whole, in order of taking.

    `session` is 0 for the session that the broker kept from before our start and grows with each one that it began anew:
    packet identifiers of different sessions have nothing to do with each other.
    """

    generation: int
    messages: list[RawMessage]
    session: int = 0


class ArrivalQueue:
    """Holds arrivals until they are acknowledged. Safe for one network thread and one worker thread.

    QoS 1 messages are bounded by the broker's in-flight window. QoS 0 has no window: above `max_waiting` messages they
    are dropped, which MQTT allows for QoS 0, and counted in `dropped_qos0`.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Arrivals] = deque()
        self._waiting_count = 0
        self._wanted_count = 1
        self._taken: deque[Arrivals] = deque()
        self._generation = 0
        self._session = 0
        self._is_open = False
        self._unacked_of_old: dict[int, RawMessage] = {}
        self._adopted: dict[int, RawMessage] = {}
        self._turns: Turns | None = None
        self._closed = False
        self.dropped_qos0 = 0

    @property
    def waiting_count(self) -> int:
        """How many messages wait to be taken."""
        return self._waiting_count

    def begin_generation(self, generation: int, session_present: bool = True) -> None:
        """A new connection began: remember what older ones still owe, to recognise it when it is sent again.

        Without the old session the broker sends nothing again, and its packet identifiers begin anew.
        """
        with self._changed:
            self._generation = generation
            if not session_present:
                self._session += 1
            self._is_open = True
            self._adopted.clear()
            self._unacked_of_old = {
                message[2]: message
                for arrivals in (*self._taken, *self._waiting)
                if arrivals.session == self._session
                for message in arrivals.messages
                if message[2]
            }
            self._turns = Turns() if self._unacked_of_old else None

    def end_generation(self) -> None:
        """The connection ended: when this returns no acknowledgement is being sent, and none will be before the next.

        Otherwise one could be queued while the next connection is made, and go out before its CONNECT.
        """
        with self._changed:
            self._is_open = False

    def put(self, messages: list[RawMessage]) -> None:
        """Add what the network thread has read."""
        with self._changed:
            if self._turns is not None:
                self._turns.arrived(map(_packet_id_of, messages))
            if self._unacked_of_old:
                messages = [m for m in messages if not self._adopt(m)]
            if self._waiting_count > self._max_waiting:
                kept = [m for m in messages if m[2]]
                self.dropped_qos0 += len(messages) - len(kept)
                messages = kept
            if not messages:
                return
            self._waiting.append(Arrivals(self._generation, messages, self._session))
            self._waiting_count += len(messages)
            if self._waiting_count >= self._wanted_count:
                self._changed.notify()

    def _adopt(self, message: RawMessage) -> bool:
        held = self._unacked_of_old.get(message[2])
        if held is None or not message[3] & FLAG_DUP or held[:2] != message[:2]:
            return False
        del self._unacked_of_old[message[2]]
        self._adopted[message[2]] = held
        return True

    def take(self, timeout_s: float, max_messages: int, linger_s: float = 0.0) -> Arrivals | None:
        """Return what has arrived, at most `max_messages` of one connection, or None after `timeout_s` seconds.

        With `linger_s` it waits that much longer for company, unless there is enough already; and again, a few times,
        while messages stream in.
        """
        with self._changed:
            self._wait_for(1, timeout_s)
            if not self._waiting:
                return None
            for _ in range(LINGERS_MOST if linger_s else 0):
                before = self._waiting_count
                if self._wait_for(max_messages, linger_s) or self._waiting_count - before < DENSE_MESSAGES:
                    break
            first = self._waiting.popleft()
            if len(first.messages) > max_messages:
                self._waiting.appendleft(
                    Arrivals(first.generation, first.messages[max_messages:], first.session)
                )
                first = Arrivals(first.generation, first.messages[:max_messages], first.session)
            elif self._waiting and self._waiting[0].generation == first.generation:
                first = self._merge(first, max_messages)
            self._waiting_count -= len(first.messages)
            self._taken.append(first)
            return first

    def _wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until so many messages wait; True if they do or the queue was closed. Wakes for nothing less."""
        self._wanted_count = count
        deadline_s = time.monotonic() + timeout_s
        while self._waiting_count < count and not self._closed:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                break
        return self._waiting_count >= count or self._closed

    def _merge(self, first: Arrivals, max_messages: int) -> Arrivals:
        messages = list(first.messages)
        while self._waiting and self._waiting[0].generation == first.generation:
            if len(messages) + len(self._waiting[0].messages) > max_messages:
                break
            messages += self._waiting.popleft().messages
        return Arrivals(first.generation, messages, first.session)

    def acknowledge(self, arrivals: Arrivals, send: Callable[[list[int]], None]) -> None:
        """Forget taken arrivals; `send` gets the packet identifiers that the current connection waits for, in order.

        The lock is held while sending, so that no new connection can begin in between: a packet identifier of an old
        one may by then belong to another message.
        """
        with self._changed:
            self._taken.remove(arrivals)
            if arrivals.generation == self._generation:
                ids = list(filter(None, map(_packet_id_of, arrivals.messages)))
            else:
                # The very message counts, not its packet identifier: a broker that lost its session gives it out anew.
                ids = [m[2] for m in arrivals.messages if self._adopted.get(m[2]) is m]
                for message in arrivals.messages:
                    if self._unacked_of_old.get(message[2]) is message:
                        del self._unacked_of_old[message[2]]
                for packet_id in ids:
                    del self._adopted[packet_id]
            if self._turns is not None:
                ids = self._turns.done(ids)
                if not (self._turns or self._adopted or self._unacked_of_old):
                    # Nothing of an older connection is left: from here on things are done in the order of arrival.
                    self._turns = None
            if ids and self._is_open:
                send(ids)

    def close(self) -> None:
        """Wake a waiting take(); what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
