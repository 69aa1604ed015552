"""What the fallback broker owes a session: the messages that are under way to it, and those that wait.

amqtt forgets a message that is under way when its connection ends, or after five seconds without PUBACK. MQTT 3.1.1,
section 4.4, wants it kept until it is acknowledged and sent again, with the dup flag and under the same packet
identifier, when the client comes back. That is kept here, in memory.
"""

import logging
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from amqtt.mqtt.publish import PublishPacket

IN_FLIGHT = 10_000
"""Messages under way to one client: above the 5,000 that ingest acknowledges at once, as in our mosquitto.conf."""
MAX_WAITING = 250_000
MAX_BYTES = 64 * 1024 * 1024
"""Bounds for one session, in messages and in bytes of topic and payload: at most about 100 MB of memory together."""
_MAX_PACKET_ID = 65_535
"""MQTT 3.1.1, section 2.3.1: two bytes, and never 0."""

log = logging.getLogger(__name__)


class Message(NamedTuple):
    """One message for one session."""

    topic: str
    payload: bytes
    retain: bool
    """True only for what the broker had kept when the client subscribed (MQTT 3.1.1, section 3.3.1.3)."""

    @property
    def size(self) -> int:
        """Bytes of topic and payload."""
        return len(self.topic) + len(self.payload)

    def packet(self, packet_id: int | None = None, *, dup: bool = False) -> bytes:
        """Return the PUBLISH packet: QoS 1 with a packet identifier, QoS 0 without."""
        qos = 0 if packet_id is None else 1
        wire: bytes = PublishPacket.build(
            self.topic, self.payload, packet_id, dup, qos, self.retain
        ).to_bytes()
        return wire


class Backlog:
    """The QoS 1 messages that one session has not acknowledged, in the order in which they came.

    `name` is the client identifier, for the one log line about a backlog that is full.
    """

    def __init__(
        self,
        name: str,
        *,
        in_flight: int = IN_FLIGHT,
        max_waiting: int = MAX_WAITING,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._name = name
        self._window = in_flight
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._under_way: dict[int, Message] = {}
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._last_id = 0
        self._is_dropping = False

    def add(self, message: Message) -> None:
        """Keep a message until it is acknowledged. A full backlog drops it, with one line each time that it fills up."""
        if len(self._waiting) >= self._max_waiting or self._bytes + message.size > self._max_bytes:
            if not self._is_dropping:
                log.error(
                    "broker: %d messages wait for the session %r, more than amqtt keeps: new ones are dropped until"
                    " it has caught up; Mosquitto keeps more",
                    len(self._waiting),
                    self._name,
                )
            self._is_dropping = True
            return
        self._waiting.append(message)
        self._bytes += message.size

    def packets_again(self) -> Iterator[bytes]:
        """Yield what was under way when the last connection ended, oldest first, to be sent on the new one."""
        for packet_id, message in list(self._under_way.items()):
            yield message.packet(packet_id, dup=True)

    def next_packet(self) -> bytes | None:
        """Return the next waiting message, from now on under way; None if none waits or the window is full."""
        if not self._waiting or len(self._under_way) >= self._window:
            return None
        message = self._waiting.popleft()
        # Counted up, also over connections: ingest tells a message that comes again from a new one by that.
        packet_id = self._last_id % _MAX_PACKET_ID + 1
        while packet_id in self._under_way:
            packet_id = packet_id % _MAX_PACKET_ID + 1
        self._last_id = packet_id
        self._under_way[packet_id] = message
        return message.packet(packet_id)

    def acknowledge(self, packet_id: int) -> None:
        """Forget a message that is under way; an identifier that nobody waits for changes nothing."""
        message = self._under_way.pop(packet_id, None)
        if message is not None:
            self._bytes -= message.size
        if not self._waiting:
            self._is_dropping = False
