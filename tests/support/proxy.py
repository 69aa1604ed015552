"""A TCP proxy that understands MQTT: it stands between a client and a broker, looks at every packet, and interferes.

What it can do: swallow the client's PUBACKs, cut connections with a reset, and say afterwards whether the client kept
the rules of the protocol on the wire.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from tests.support import wire
from tests.support.ports import free_port


class Connection:
    """What went over one connection, in order."""

    def __init__(self) -> None:
        self.from_client: list[tuple[int, int]] = []
        """(packet type, packet identifier) of everything that the client sent."""
        self.delivered: list[int] = []
        """Packet identifiers of the QoS 1 messages that the broker sent."""
        self.repeated = 0
        """How many of them had the dup flag."""

    @property
    def acknowledged(self) -> list[int]:
        """The client's PUBACKs, also those that were swallowed."""
        return [packet_id for kind, packet_id in self.from_client if kind == wire.PUBACK]


class Proxy:
    """Listens on a port of its own and passes everything on to the broker's. Close it at the end."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self.port = free_port()
        self.connections: list[Connection] = []
        self.swallow_pubacks = False
        self.swallowed = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def environment(self) -> dict[str, object]:
        """The settings that lead Sensorline's services through this proxy."""
        return {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": self.port}

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self._broker_port), timeout=5)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            for side in (client, broker):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection()
            with self._lock:
                self.connections.append(connection)
                self._open |= {client, broker}
            for source, target, look in (
                (client, broker, self._client_sent),
                (broker, client, self._broker_sent),
            ):
                threading.Thread(
                    target=self._pump, args=(connection, source, target, look), daemon=True
                ).start()

    def _pump(
        self,
        connection: Connection,
        source: socket.socket,
        target: socket.socket,
        look: Callable[[Connection, wire.Packet], bool],
    ) -> None:
        splitter = wire.Splitter()
        try:
            while data := source.recv(1 << 16):
                passed = b"".join(p.wire for p in splitter.feed(data) if look(connection, p))
                if passed:
                    self._pass_on(target, passed)
        except OSError:
            pass
        finally:
            # Half a connection is of no use: both ends go, and the other pump wakes up.
            for side in (source, target):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
                with self._lock:
                    self._open.discard(side)
                side.close()

    def _pass_on(self, target: socket.socket, data: bytes) -> None:
        target.sendall(data)

    def _client_sent(self, connection: Connection, packet: wire.Packet) -> bool:
        connection.from_client.append((packet.kind, packet.packet_id))
        if packet.kind == wire.PUBACK and self.swallow_pubacks:
            self.swallowed += 1
            return False
        return True

    def _broker_sent(self, connection: Connection, packet: wire.Packet) -> bool:
        if packet.kind == wire.PUBLISH and packet.packet_id:
            connection.delivered.append(packet.packet_id)
            connection.repeated += bool(packet.flags & 0x08)
        return True

    def cut(self) -> int:
        """Reset every connection and return how many there were: both ends see an error, what was under way is gone."""
        with self._lock:
            sides = list(self._open)
        for side in sides:
            with contextlib.suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                side.shutdown(socket.SHUT_RDWR)
        return len(sides) // 2

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._listener.close()
        self.cut()

    @property
    def delivered_count(self) -> int:
        """How many QoS 1 messages the broker has sent over all connections."""
        return sum(len(c.delivered) for c in self.connections)

    @property
    def acknowledged_count(self) -> int:
        """How many PUBACKs the clients have sent over all connections."""
        return sum(len(c.acknowledged) for c in self.connections)

    def assert_rules_kept(self) -> None:
        """Check each connection: CONNECT first and once [MQTT-3.1.0-1, -2], PUBACKs in order of arrival [MQTT-4.6.0-2].

        PUBACKs only for messages of the same connection: an identifier of an older one may mean another message by now.
        """
        for number, connection in enumerate(self.connections):
            kinds = [kind for kind, _ in connection.from_client]
            assert kinds[:1] in ([], [wire.CONNECT]), f"connection {number} began with packet type {kinds[0]}"
            assert wire.CONNECT not in kinds[1:], f"connection {number} has a second CONNECT"
            acknowledged = connection.acknowledged
            expected = connection.delivered[: len(acknowledged)]
            first_wrong = next(
                (i for i, pair in enumerate(zip(acknowledged, expected, strict=False)) if pair[0] != pair[1]),
                None,
            )
            assert first_wrong is None, (
                f"connection {number}: PUBACK {first_wrong} is for {acknowledged[first_wrong]},"
                f" the message delivered there is {expected[first_wrong]}"
            )
            assert len(acknowledged) <= len(connection.delivered), (
                f"connection {number}: {len(acknowledged)} PUBACKs for {len(connection.delivered)} messages"
            )
