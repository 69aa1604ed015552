"""A paho client that reads the socket in bulk.

paho's own reader takes four or five system calls for each message and hands them over one by one. This one reads
what the socket has in one call, splits PUBLISH packets (MQTT 3.1.1, section 3.3) out of the buffer and delivers them
as one list. Every other packet goes to paho's own parser, so that sessions, keepalive and reconnecting stay paho's.

It touches a few of paho's private names; that is why paho is pinned, and why tests compare both readers.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from sensorline.mqtt import packets
from sensorline.mqtt.arrivals import RawMessage
from sensorline.mqtt.paho import CallbackAPIVersion, MQTTErrorCode
from sensorline.mqtt.paho import client as paho

READ_BYTES = 1 << 20
BUSY_PER_S = 4_000
"""Under load, from so many messages a second on, each read is preceded by a short wait, so that it finds a full buffer."""
BUSY_WAIT_S = 0.002
_RATE_OVER_S = 0.01
GATHER_STEP_S = 0.04
"""How long the socket is not looked at while messages gather: received times of a trickle are right to half of it."""
LEAD_S = 0.01
"""What comes so soon after the first message that follows a pause belongs to it: a node's sensors, read and published one after
the other. Whoever waits for one of them waits for all, so none is kept back."""
GATHER_MOST = 64
GATHER_ENOUGH = 8
"""A read that gives so many messages is a burst and does not wait. Nor does a trickle of which so many have come and nothing
more for a step: the broker may be waiting for their acknowledgement, its window can be as small as 20, or 10."""


def _is_nothing_yet(exc: OSError, has_tls: bool) -> bool:
    """Tell whether a socket merely had nothing to give."""
    if isinstance(exc, BlockingIOError):
        return True
    if not has_tls:
        return False
    # Here, not at the top: without TLS nothing needs ssl, and it is 4 MB.
    import ssl

    return isinstance(exc, ssl.SSLWantReadError | ssl.SSLWantWriteError)


def _spread(messages: list[RawMessage], first: int, since_ns: int) -> None:
    """Give messages that came while nobody looked received times of their own, evenly between `since_ns` and the look.

    With one time for all of them, readings without a time of their own would stand on top of each other.
    """
    count = len(messages) - first
    if not count:
        return
    span_ns = messages[-1][4] - since_ns
    for i in range(count):
        topic, payload, packet_id, flags, looked_ns = messages[first + i]
        received_ns = looked_ns - max(span_ns, 0) * (2 * (count - i) - 1) // (2 * count)
        messages[first + i] = (topic, payload, packet_id, flags, received_ns // 1_000_000 * 1_000_000)


class BulkClient(paho.Client):
    """A paho client whose QoS 0 and 1 messages arrive as lists at `on_messages`; acknowledge with `send_pubacks`.

    QoS 2 messages go through paho's `on_message`; with `in_bulk=False`, where paho's own reader works alone, everything
    does. `on_messages` runs in the network thread and must be quick.

    What comes within `gather_s` of the last delivery waits for the rest of that time, so that messages of a trickle come
    together; the first one after a pause and what is close behind it are delivered at once, and a burst as fast as ever.
    """

    def __init__(
        self,
        on_messages: Callable[[list[RawMessage]], None],
        *,
        in_bulk: bool = True,
        gather_s: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, manual_ack=True, protocol=paho.MQTTv311, **kwargs)
        self._on_messages = on_messages
        self._reads_in_bulk = in_bulk
        self.gather_s = gather_s
        self._delivered_s = self._led_s = float("-inf")
        self._read_into = memoryview(bytearray(READ_BYTES if in_bulk else 0))
        self._forget_unread()

    def _forget_unread(self) -> None:
        self._unread = bytearray()
        self._wanted_bytes = 2
        self._for_paho = b""
        self._is_busy = False
        self._rate_since_s = 0.0
        self._rate_count = 0

    def spread_reconnects(self, first_s: float, longest_s: float) -> None:
        """Wait `first_s` seconds before a reconnection, then twice as long each time, up to `longest_s`."""
        # reconnect_delay_set() is declared for whole seconds; of those, five hundred clients would share two.
        self.reconnect_delay_set(cast(int, first_s), cast(int, longest_s))

    @property
    def unacknowledged_count(self) -> int:
        """How many QoS 1 messages were given to publish() and are not acknowledged, also those that wait here."""
        return len(self._out_messages)

    def reconnect(self) -> MQTTErrorCode:
        """Connect again, with nothing left of the old connection's bytes."""
        self._forget_unread()
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what the socket has and deliver it; called by paho's loop when the socket is readable."""
        if not self._reads_in_bulk:
            return super().loop_read(max_packets)
        messages: list[RawMessage] = []
        rc = self._receive(messages)
        if messages and self.gather_s:
            now_s = time.monotonic()
            if now_s - self._delivered_s >= self.gather_s:
                self._led_s = now_s
            elif not rc and now_s - self._led_s >= LEAD_S and len(messages) < GATHER_ENOUGH:
                rc = self._gather(messages)
            self._delivered_s = time.monotonic()
        if messages:
            self._on_messages(messages)
        return rc

    def _gather(self, messages: list[RawMessage]) -> MQTTErrorCode:
        """Wait for company, in steps, as long as the last delivery is not `gather_s` ago."""
        while len(messages) < GATHER_MOST:
            left_s = self._delivered_s + self.gather_s - time.monotonic()
            if left_s <= 0:
                break
            before, asleep_ns = len(messages), time.time_ns()
            time.sleep(min(left_s, GATHER_STEP_S))
            # Acknowledgements go out meanwhile: the broker may be waiting for them.
            rc = self.loop_write() if self.want_write() else MQTTErrorCode.MQTT_ERR_SUCCESS
            rc = rc or self._receive(messages)
            _spread(messages, before, asleep_ns)
            if rc:
                return rc
            if len(messages) == before >= GATHER_ENOUGH:
                break
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _receive(self, messages: list[RawMessage]) -> MQTTErrorCode:
        """Append what the socket has to `messages`; without any it returns at once, but under load after BUSY_WAIT_S."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if self._is_busy:
            time.sleep(BUSY_WAIT_S)
        try:
            data = self._read(self._sock)
        except OSError as exc:
            if _is_nothing_yet(exc, self._ssl):
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            data = b""
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        now_s = time.monotonic()
        with self._msgtime_mutex:
            self._last_bytes_received = now_s
        if now_s - self._rate_since_s > _RATE_OVER_S:
            self._is_busy = self._rate_count > BUSY_PER_S * (now_s - self._rate_since_s)
            self._rate_since_s, self._rate_count = now_s, 0
        if self._unread:
            self._unread += data
            if len(self._unread) < self._wanted_bytes:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            data = bytes(self._unread)
        return self._split(data, messages)

    def _read(self, sock: Any) -> bytes:
        """Return what has arrived, at most 1 MiB or so; empty at the end of the connection."""
        space = self._read_into
        if hasattr(sock, "recv_into"):
            if not self._ssl:
                return bytes(space[: sock.recv_into(space)])
            # Brokers send each packet as a record of its own, and a read gives one record.
            return bytes(space[: self._fill(lambda filled: sock.recv_into(space[filled:]))])
        # paho's WebSocket gives one frame a read.
        frames: list[bytes] = []

        def read_frame(filled: int) -> int:
            frames.append(sock.recv(READ_BYTES))
            return len(frames[-1])

        self._fill(read_frame)
        return b"".join(frames)

    def _fill(self, read: Callable[[int], int]) -> int:
        """Read until nothing is there or 1 MiB is full; return how many bytes."""
        filled = 0
        while filled < READ_BYTES:
            try:
                count = read(filled)
            except OSError:
                if not filled:
                    raise
                # Whatever it is, the next read says it again.
                break
            if not count:
                break
            filled += count
        return filled

    def _split(self, buffer: bytes, messages: list[RawMessage]) -> MQTTErrorCode:
        """Append the messages of `buffer` to `messages`, feed the other packets to paho, keep an unfinished rest."""
        rc = MQTTErrorCode.MQTT_ERR_SUCCESS

        def feed_paho(packet: bytes) -> bool:
            nonlocal rc
            self._for_paho = packet
            rc = super(BulkClient, self).loop_read(1)
            return rc == MQTTErrorCode.MQTT_ERR_SUCCESS and self._sock is not None

        try:
            used, self._wanted_bytes = packets.split(
                buffer, time.time_ns() // 1_000_000 * 1_000_000, messages, feed_paho
            )
            self._unread = bytearray(buffer[used:]) if used < len(buffer) else bytearray()
        except packets.MalformedPacket:
            rc = self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        self._rate_count += len(messages)
        return rc

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
            self._packet_queue(paho.PUBACK, packets.pubacks(packet_ids), 0, 0)

    def send_publishes(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Queue QoS 0 messages, (topic, payload) each, as one write; nobody is told when they are sent."""
        wire = packets.publishes(messages)
        if wire:
            # For paho's bookkeeping it is no PUBLISH: that would be counted and reported as one message.
            self._packet_queue(paho.PUBACK, wire, 0, 0)
