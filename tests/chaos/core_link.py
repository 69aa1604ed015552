"""The link between broker and ingest, with a witness of MQTT: what the broker handed over, and what ingest acknowledged.

A message is known by the number in its payload. The broker's messages are told apart by packet identifier: one that comes again (dup
flag) under the identifier that it had is the same message, anything else is another one, also with the same payload.
"""

import re
import time
from collections import Counter, deque

from tests.chaos.links import Connection, Link, Wires
from tests.support import wire

PREFIX = b"sensors/plain-"
_NUMBER = re.compile(rb'(?:"value":|^|bad )(\d+)')


class Witness:
    """What all connections of ingest have shown."""

    def __init__(self) -> None:
        self.handed_over: Counter[int] = Counter()
        """How many messages of the broker had a number."""
        self.acknowledged: set[int] = set()
        """Numbers for which ingest has sent a PUBACK."""
        self.repeated = 0
        """How many PUBLISH came with the dup flag."""
        self.subscribed_anew_s = 0.0
        """When the broker last confirmed the subscriptions of a session that it had begun anew (monotonic)."""
        self.broken_rules: list[str] = []
        self.holder: dict[int, int] = {}
        """Which number a packet identifier of the session means: -1 for a message of somebody else."""

    def forget_session(self) -> None:
        """The broker has begun a new session."""
        self.holder.clear()

    def delivered(self, packet_id: int, number: int, dup: bool) -> None:
        """Note what the broker sent."""
        self.repeated += dup
        if number >= 0 and not (dup and self.holder.get(packet_id) == number):
            self.handed_over[number] += 1
        self.holder[packet_id] = number


class IngestConnection(Connection):
    """One connection of ingest."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness
        self._from_client, self._from_server = wire.Splitter(), wire.Splitter()
        self._is_first = True
        self._is_new_session = False
        self._waiting: deque[tuple[int, int]] = deque()

    def client_sent(self, data: bytes) -> bytes:
        for packet in self._from_client.feed(data):
            if (packet.kind == wire.CONNECT) != self._is_first:
                # [MQTT-3.1.0-1] and [MQTT-3.1.0-2].
                self._witness.broken_rules.append(
                    f"packet type {packet.kind} where CONNECT has to be first, once"
                )
            self._is_first = False
            if packet.kind == wire.PUBACK:
                self._acknowledged(packet.packet_id)
        return data

    def _acknowledged(self, packet_id: int) -> None:
        if not self._waiting or self._waiting[0][0] != packet_id:
            # [MQTT-4.6.0-2].
            self._witness.broken_rules.append(f"PUBACK {packet_id} out of turn, or of another connection")
            return
        number = self._waiting.popleft()[1]
        if number >= 0:
            self._witness.acknowledged.add(number)

    def server_sent(self, data: bytes) -> bytes:
        for packet in self._from_server.feed(data):
            if packet.kind == wire.CONNACK and not packet.body[0] & 1:
                self._is_new_session = True
                self._witness.forget_session()
            elif packet.kind == wire.SUBACK and self._is_new_session:
                self._witness.subscribed_anew_s = time.monotonic()
            elif packet.kind == wire.PUBLISH and packet.packet_id:
                number = _number_of(packet)
                self._waiting.append((packet.packet_id, number))
                self._witness.delivered(packet.packet_id, number, bool(packet.flags & 0x08))
        return data


def _number_of(packet: wire.Packet) -> int:
    payload_at = 4 + int.from_bytes(packet.body[:2], "big")
    if not packet.body.startswith(PREFIX, 2):
        return -1
    found = _NUMBER.search(packet.body[payload_at:])
    return int(found[1]) if found else -1


class CoreLink(Link):
    """Between broker and ingest."""

    def __init__(self, wires: Wires, to_port: int) -> None:
        self.witness = Witness()
        super().__init__(wires, to_port, lambda: IngestConnection(self.witness))
