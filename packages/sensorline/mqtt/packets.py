"""MQTT 3.1.1 packets as bytes: PUBLISH taken apart in bulk, PUBACK and QoS 0 PUBLISH put together in bulk."""

import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from struct import Struct

from sensorline.mqtt.arrivals import RawMessage
from sensorline.topics import TOPIC_MAX_BYTES

_QOS_0, _QOS_1 = 0x30, 0x32
"""PUBLISH headers (section 3.3.1) without the dup and retain flags: nearly all that a busy connection carries."""

_PUBACK = b"\x40\x02\x00\x00"
"""Section 3.4.1: PUBACK, remaining length 2; the packet identifier follows."""

_unpack_start = Struct(">BBH").unpack_from
"""Header, remaining length if it is one byte long, and of a PUBLISH the topic's length."""
_unpack_identifier = Struct(">H").unpack_from
_START_BYTES = 4


class MalformedPacket(Exception):
    """The peer sent bytes that are not MQTT; the connection has to go."""


def split(
    buffer: bytes, received_ns: int, messages: list[RawMessage], other: Callable[[bytes], bool]
) -> tuple[int, int]:
    """Append the QoS 0 and 1 PUBLISH packets of `buffer` to `messages`; give each other packet whole to `other`.

    Returns how many bytes were used up, and how many the unfinished packet behind them has at least. Ends early when
    `other` says False. Raises MalformedPacket; what came before it has been appended.
    """
    position, length = 0, len(buffer)
    last_start = length - _START_BYTES
    append = messages.append
    while True:
        while position <= last_start:
            # The common case by itself: one byte of remaining length, no flags.
            header, size, topic_bytes = _unpack_start(buffer, position)
            end = position + 2 + size
            if size > 127 or end > length:
                break
            topic_start = position + 4
            topic_end = topic_start + topic_bytes
            if header == _QOS_1 and topic_bytes:
                payload_start = topic_end + 2
                if payload_start > end:
                    raise MalformedPacket("a PUBLISH shorter than its topic")
                (packet_id,) = _unpack_identifier(buffer, topic_end)
                if not packet_id:
                    raise MalformedPacket("packet identifier 0, which [MQTT-2.3.1-1] forbids")
                append(
                    (buffer[topic_start:topic_end], buffer[payload_start:end], packet_id, 0x02, received_ns)
                )
            elif header == _QOS_0 and topic_bytes and size >= 2:
                if topic_end > end:
                    raise MalformedPacket("a PUBLISH shorter than its topic")
                append((buffer[topic_start:topic_end], buffer[topic_end:end], 0, 0, received_ns))
            else:
                break
            position = end
        start, end = _body(buffer, position)
        if start < 0 or end > length:
            return position, end - position
        if buffer[position] & 0xF0 == 0x30 and buffer[position] & 0x06 < 0x04:
            append(_publish(buffer, position, start, end, received_ns))
        elif not other(buffer[position:end]):
            return end, 2
        position = end


def _body(buffer: bytes, position: int) -> tuple[int, int]:
    """Return where the body of the packet at `position` starts and ends; a start of -1 if the header is unfinished.

    Section 2.2.3: seven bits a byte, least significant first, at most four bytes.
    """
    size = 0
    for digit in range(4):
        at = position + 1 + digit
        if at >= len(buffer):
            return -1, max(at + 1, position + 2)
        size |= (buffer[at] & 0x7F) << 7 * digit
        if not buffer[at] & 0x80:
            return at + 1, at + 1 + size
    if position + 5 >= len(buffer):
        return -1, position + 6
    raise MalformedPacket("a remaining length of more than four bytes")


def _publish(buffer: bytes, position: int, start: int, end: int, received_ns: int) -> RawMessage:
    header = buffer[position]
    has_identifier = header & 0x02
    topic_start = start + 2
    topic_end = topic_start + (buffer[start] << 8 | buffer[start + 1]) if end >= topic_start else end + 1
    payload_start = topic_end + has_identifier
    if payload_start > end:
        raise MalformedPacket("a PUBLISH shorter than its topic")
    if topic_start == topic_end:
        raise MalformedPacket("an empty topic, which [MQTT-4.7.3-1] forbids")
    packet_id = (buffer[topic_end] << 8 | buffer[topic_end + 1]) if has_identifier else 0
    if has_identifier and not packet_id:
        raise MalformedPacket("packet identifier 0, which [MQTT-2.3.1-1] forbids")
    return buffer[topic_start:topic_end], buffer[payload_start:end], packet_id, header & 0x0F, received_ns


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """Return PUBACKs (section 3.4) of packet identifiers, in their order, as one piece."""
    wire = bytearray(_PUBACK * len(packet_ids))
    identifiers = array("H", packet_ids)
    if sys.byteorder == "little":
        identifiers.byteswap()
    wire[2::4], wire[3::4] = identifiers.tobytes()[::2], identifiers.tobytes()[1::2]
    return bytes(wire)


def publishes(messages: Iterable[tuple[str, bytes]]) -> bytes:
    """Return QoS 0 PUBLISH packets (section 3.3) of (topic, payload) pairs as one piece.

    A topic that MQTT has no room for is left out.
    """
    pieces: list[bytes | bytearray] = []
    for topic, payload in messages:
        name = topic.encode()
        if len(name) > TOPIC_MAX_BYTES:
            continue
        size = 2 + len(name) + len(payload)
        length = bytearray()
        while size > 127:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        length.append(size)
        pieces += (b"\x30", length, len(name).to_bytes(2, "big"), name, payload)
    return b"".join(pieces)
