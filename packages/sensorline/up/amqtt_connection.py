"""One connection of the fallback broker: amqtt's protocol handler, with deliveries that are kept until acknowledged."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from amqtt.adapters import StreamWriterAdapter
from amqtt.mqtt.constants import QOS_0, QOS_1, QOS_2
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.session import Session

from sensorline.up.amqtt_backlog import Backlog, Message

CLOSE_WITHIN_S = 0.5
WRITE_BYTES = 64 * 1024
"""How much is put together for one write."""
MAX_LOOSE_BYTES = 8 * 1024 * 1024
"""QoS 0 messages that wait for one connection, in bytes; what is above is dropped, as QoS 0 allows."""


class Wire(StreamWriterAdapter):  # type: ignore[misc]  # amqtt comes without type information.
    """The writing side of a connection."""

    is_closed: bool

    async def close(self) -> None:
        """Close the connection. amqtt waits until the peer has read everything: one that stands still would hold it up."""
        if self.is_closed:
            return
        self.is_closed = True
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass
        finally:
            self._writer.transport.abort()


class Connection(BrokerProtocolHandler):  # type: ignore[misc]  # amqtt comes without type information.
    """Delivers a session's backlog over one connection.

    `accept(session, packet)` takes over a message that the client publishes, and says whether it may be published.
    """

    def __init__(
        self,
        plugins_manager: Any,
        wire: Wire,
        backlog: Backlog,
        accept: Callable[[Session, PublishPacket], Awaitable[bool]],
    ) -> None:
        super().__init__(plugins_manager)
        self._wire = wire
        self._backlog = backlog
        self._accept = accept
        self._loose: deque[bytes] = deque()
        self._loose_bytes = 0
        self._something_to_send = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self.finished = asyncio.Event()
        """Set by the broker when nothing of this connection touches its session any more."""

    @property
    def is_open(self) -> bool:
        """True while messages can be delivered."""
        return self._sender is not None and not self._wire.is_closed

    def deliver(self, message: Message) -> None:
        """Send a QoS 0 message, once."""
        packet = message.packet()
        if not self._loose or self._loose_bytes + len(packet) <= MAX_LOOSE_BYTES:
            self._loose.append(packet)
            self._loose_bytes += len(packet)
            self._something_to_send.set()

    def deliver_backlog(self) -> None:
        """Send what is new in the backlog, as far as the window allows."""
        self._something_to_send.set()

    async def end(self) -> None:
        """Close the connection from our side and wait until the session is free for another one."""
        await self._wire.close()
        await self.finished.wait()

    async def start(self) -> None:
        """Begin to read, and to send. Overridden to begin sending."""
        await super().start()
        self._sender = asyncio.create_task(self._send())
        if self._reader_stopped.is_set():
            # It ended while amqtt was not yet listening for its end, and would count as connected for ever.
            await self.handle_connection_closed()

    async def stop(self) -> None:
        """End reading and sending. Overridden to end sending.

        The connection is closed first: amqtt cancels its reader and waits for it, but Python's wait_for may lose a
        cancellation that comes together with a packet; the end of the stream is never lost.
        """
        await self._wire.close()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await super().stop()

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Take a message from the client. Overridden to acknowledge it when the subscribers' backlogs have it.

        amqtt acknowledges it while it waits in a queue of the publisher's session, and forgets it there when
        the publisher disconnects.
        """
        qos = publish_packet.qos
        if qos and not publish_packet.packet_id:
            # MQTT 3.1.1, section 2.3.1: an identifier is never 0; who breaks the protocol is disconnected (4.8).
            await self.handle_connection_closed()
        elif qos == QOS_2:
            await super().handle_publish(publish_packet)
        elif qos not in (QOS_0, QOS_1) or not await self._accept(self.session, publish_packet):
            await self.handle_connection_closed()
        elif qos == QOS_1:
            await self._send_packet(PubackPacket.build(publish_packet.packet_id))

    async def handle_puback(self, puback: PubackPacket) -> None:
        """Forget a message that has arrived. Overridden because the backlog keeps it, not a task that waits 5 s."""
        self._backlog.acknowledge(puback.variable_header.packet_id)
        self._something_to_send.set()

    async def _send_packet(self, packet: Any) -> None:
        """Send any packet. Overridden because amqtt's makes an error, and a log line, of every task that is cancelled."""
        await self._write(packet.to_bytes())

    async def _write(self, data: bytes) -> None:
        try:
            async with self._write_lock:
                self._wire.write(data)
                await self._wire.drain()
        except OSError:
            await self.handle_connection_closed()

    async def _send(self) -> None:
        """Send what was under way before, then all that comes, until the connection ends."""
        for packet in self._backlog.packets_again():
            await self._write(packet)
        while True:
            data = self._next_packets()
            if data:
                await self._write(data)
                # A write that the system takes at once does not wait: the others get their turn here.
                await asyncio.sleep(0)
            else:
                self._something_to_send.clear()
                await self._something_to_send.wait()

    def _next_packets(self) -> bytes:
        """Return the next packets: QoS 0 first, because it does not wait for the window of QoS 1."""
        out = bytearray()
        while self._loose and len(out) < WRITE_BYTES:
            packet = self._loose.popleft()
            self._loose_bytes -= len(packet)
            out += packet
        while len(out) < WRITE_BYTES:
            owed = self._backlog.next_packet()
            if owed is None:
                break
            out += owed
        return bytes(out)
