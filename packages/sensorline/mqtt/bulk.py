"""A paho client that reads the socket in bulk.

paho's own reader takes four or five system calls for each message and hands them over one by one. This one reads
what the socket has in one call, splits PUBLISH packets (MQTT 3.1.1, section 3.3) out of the buffer and delivers them
as one list. Every other packet goes to paho's own parser, so that sessions, keepalive and reconnecting stay paho's.

It touches a few of paho's private names; that is why paho is pinned, and why tests compare both readers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sensorline.mqtt.arrivals import RawMessage
from sensorline.mqtt.library import CallbackAPIVersion, MQTTErrorCode
from sensorline.mqtt.library import client as paho

READ_BYTES = 1 << 20
BUSY_MESSAGES = 64
"""A read that gave this many messages is followed by a short wait, so that the next one finds a full buffer."""
BUSY_WAIT_S = 0.002
GATHER_STEP_S = 0.05
GATHER_ENOUGH = 8
"""A read that gives so many messages is a burst and does not wait. Nor does a trickle of which so many have come and nothing
more for a step: the broker may be waiting for their acknowledgement, its window can be as small as 20, or 10."""

PUBACK_HEADER = b"\x40\x02"
"""MQTT 3.1.1, section 3.4.1: PUBACK, remaining length 2; the packet identifier follows."""


class MalformedPacket(Exception):
    """The peer sent bytes that are not MQTT; the connection has to go."""


def _wants_more(exc: OSError) -> bool:
    # Here, not at the top: without TLS nothing needs ssl, and it is 4 MB.
    import ssl

    return isinstance(exc, ssl.SSLWantReadError | ssl.SSLWantWriteError)


class BulkClient(paho.Client):
    """A paho client whose QoS 0 and 1 messages arrive as lists at `on_messages`; acknowledge with `send_pubacks`.

    QoS 2 messages go through paho's `on_message`. On transports that cannot be read in bulk (WebSockets) everything
    does. `on_messages` runs in the network thread and must be quick.

    What comes within `gather_s` of the last delivery waits for the rest of that time, so that messages of a trickle come
    together; the first one after a pause is delivered at once, and a burst as fast as ever.
    """

    def __init__(
        self, on_messages: Callable[[list[RawMessage]], None], *, gather_s: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, manual_ack=True, protocol=paho.MQTTv311, **kwargs)
        self._on_messages = on_messages
        self.gather_s = gather_s
        self._delivered_s = float("-inf")
        self._reads_in_bulk = kwargs.get("transport", "tcp") == "tcp"
        self._unread = bytearray()
        self._wanted_bytes = 2
        self._for_paho = b""

    def reconnect(self) -> MQTTErrorCode:
        """Connect again, with nothing left of the old connection's bytes."""
        self._unread.clear()
        self._wanted_bytes = 2
        self._for_paho = b""
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what the socket has and deliver it; called by paho's loop when the socket is readable."""
        if not self._reads_in_bulk:
            return super().loop_read(max_packets)
        messages: list[RawMessage] = []
        rc = self._receive(messages)
        if messages and self.gather_s:
            if not rc and len(messages) < GATHER_ENOUGH:
                rc = self._gather(messages)
            self._delivered_s = time.monotonic()
        if messages:
            self._on_messages(messages)
            if len(messages) >= BUSY_MESSAGES:
                time.sleep(BUSY_WAIT_S)
        return rc

    def _gather(self, messages: list[RawMessage]) -> MQTTErrorCode:
        """Wait for company, in steps, as long as the last delivery is not `gather_s` ago."""
        while len(messages) < BUSY_MESSAGES:
            left_s = self._delivered_s + self.gather_s - time.monotonic()
            if left_s <= 0:
                break
            before = len(messages)
            time.sleep(min(left_s, GATHER_STEP_S))
            # Acknowledgements go out meanwhile: the broker may be waiting for them.
            rc = self.loop_write() if self.want_write() else MQTTErrorCode.MQTT_ERR_SUCCESS
            rc = rc or self._receive(messages)
            if rc:
                return rc
            if len(messages) == before >= GATHER_ENOUGH:
                break
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _receive(self, messages: list[RawMessage]) -> MQTTErrorCode:
        """Append what the socket has to `messages`; without any it returns at once."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            data = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError as exc:
            if self._ssl and _wants_more(exc):
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        self._unread += data
        if len(self._unread) < self._wanted_bytes:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            return self._split(bytes(self._unread), messages)
        except MalformedPacket:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)

    def _split(self, buffer: bytes, messages: list[RawMessage]) -> MQTTErrorCode:
        """Append the PUBLISH packets of `buffer` to `messages`, feed the others to paho, keep an unfinished rest."""
        received_ns = time.time_ns() // 1_000_000 * 1_000_000
        position, length = 0, len(buffer)
        append = messages.append
        wanted = 2
        while length - position >= 2:
            header = buffer[position]
            body_bytes = buffer[position + 1]
            start = position + 2
            if body_bytes & 0x80:
                # MQTT 3.1.1, section 2.2.3: seven bits a byte, least significant first, at most four bytes.
                body_bytes &= 0x7F
                shift = 7
                while True:
                    if shift > 21:
                        raise MalformedPacket("a remaining length of more than four bytes")
                    if start >= length:
                        start = -1
                        break
                    byte = buffer[start]
                    start += 1
                    body_bytes |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                if start < 0:
                    wanted = length - position + 1
                    break
            end = start + body_bytes
            if end > length:
                wanted = end - position
                break
            if header & 0xF0 == 0x30 and header & 0x06 < 0x04:
                topic_start = start + 2
                topic_end = (
                    topic_start + ((buffer[start] << 8) | buffer[start + 1]) if body_bytes >= 2 else end + 1
                )
                payload_start = topic_end + (header & 0x02)
                if payload_start > end:
                    raise MalformedPacket("a PUBLISH shorter than its topic")
                packet_id = (buffer[topic_end] << 8) | buffer[topic_end + 1] if header & 0x02 else 0
                if header & 0x02 and not packet_id:
                    raise MalformedPacket("packet identifier 0, which [MQTT-2.3.1-1] forbids")
                append(
                    (
                        buffer[topic_start:topic_end],
                        buffer[payload_start:end],
                        packet_id,
                        header & 0x0F,
                        received_ns,
                    )
                )
            else:
                self._for_paho = buffer[position:end]
                rc = super().loop_read(1)
                if rc or self._sock is None:
                    return rc
            position = end
        del self._unread[:position]
        self._wanted_bytes = wanted
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _sock_recv(self, bufsize: int) -> bytes:
        """Give paho's parser the packet that was cut out for it."""
        if not self._reads_in_bulk:
            return super()._sock_recv(bufsize)
        if not self._for_paho:
            raise BlockingIOError
        out, self._for_paho = self._for_paho[:bufsize], self._for_paho[bufsize:]
        return out

    def send_pubacks(self, packet_ids: Sequence[int]) -> None:
        """Queue PUBACKs, in the given order, as one write. The caller makes sure that this connection is the right one."""
        if packet_ids:
            wire = b"".join([PUBACK_HEADER + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
            self._packet_queue(paho.PUBACK, wire, 0, 0)
