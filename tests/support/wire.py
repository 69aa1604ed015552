"""MQTT 3.1.1 packets as bytes: taking a stream apart, and building what a well-behaved client never sends."""

from collections.abc import Iterator
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
"""Packet types (MQTT 3.1.1, section 2.2.1)."""


class Packet(NamedTuple):
    """One packet: its type, its four flag bits, its body, and the bytes that it was."""

    kind: int
    flags: int
    body: bytes
    wire: bytes

    @property
    def packet_id(self) -> int:
        """The packet identifier of a PUBACK or of a PUBLISH with QoS 1 or 2; 0 where there is none."""
        if self.kind == PUBACK:
            return int.from_bytes(self.body[:2], "big")
        if self.kind == PUBLISH and self.flags & 0x06:
            at = 2 + int.from_bytes(self.body[:2], "big")
            return int.from_bytes(self.body[at : at + 2], "big")
        return 0


class Splitter:
    """Cuts a stream of bytes into packets; keeps an unfinished rest for the next call."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Yield the packets that are whole now."""
        data = self._rest + data
        at = 0
        while True:
            length, used = 0, 1
            while at + used < len(data):
                byte = data[at + used]
                length |= (byte & 0x7F) << (7 * (used - 1))
                used += 1
                if not byte & 0x80:
                    break
            else:
                break
            end = at + used + length
            if end > len(data):
                break
            yield Packet(data[at] >> 4, data[at] & 0x0F, data[at + used : end], data[at:end])
            at = end
        self._rest = data[at:]


def packet(first_byte: int, body: bytes) -> bytes:
    """Return a packet with this first byte and body."""
    return bytes([first_byte]) + variable_length(len(body)) + body


def variable_length(value: int) -> bytes:
    """Return a remaining length (section 2.2.3)."""
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def field(data: bytes) -> bytes:
    """Return data behind its two-byte length (section 1.5.3), whatever the data is."""
    return len(data).to_bytes(2, "big") + data


def connect(client_id: bytes, *, username: bytes | None = None, level: int = 4) -> bytes:
    """Return a CONNECT with a clean session and keepalive 60; `level` 5 makes it MQTT 5."""
    flags = 0x02 | (0x80 if username is not None else 0)
    body = field(b"MQTT") + bytes([level, flags, 0, 60]) + (b"\x00" if level == 5 else b"")
    return packet(0x10, body + field(client_id) + (field(username) if username is not None else b""))


def publish(
    topic: bytes, payload: bytes, *, flags: int = 0, packet_id: int = 0, properties: bytes | None = None
) -> bytes:
    """Return a PUBLISH. With QoS bits in `flags` the packet id follows; `properties` makes it MQTT 5."""
    identifier = packet_id.to_bytes(2, "big") if flags & 0x06 else b""
    extra = b"" if properties is None else variable_length(len(properties)) + properties
    return packet(0x30 | flags, field(topic) + identifier + extra + payload)
