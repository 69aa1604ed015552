"""Sends events to rooms: encoded once, put to each client by itself, so that one bad client costs the others nothing."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from engineio.exceptions import EngineIOError
from engineio.packet import Packet as EnginePacket
from flask_socketio import SocketIO
from prometheus_client import Counter

from sensorline_web.live.liveframe import NAMESPACE, event_payload, queued_packet

log = structlog.get_logger()

LIVE_ROOM = "live"
"""Every client whose connection was accepted; nothing ever goes to all sockets."""

MAX_QUEUED = 200
"""Packets that wait for one client: ten seconds of frames. Above it the connection is cut; the page comes back and loads
what it missed from history, instead of a queue that grows until the ping times out."""


class FastJson:
    """The codec of Socket.IO packets: msgspec writes; the standard library's parser reads the few small ones that come in."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes) -> Any:
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("JSON is nested too deep") from None


class Emitter:
    """Emits to rooms of the live namespace; does nothing until it is bound to a server."""

    def __init__(self, clients_cut: Counter) -> None:
        self._socketio: SocketIO | None = None
        self._clients_cut = clients_cut

    def bind(self, socketio: SocketIO) -> None:
        """Send through this server from now on."""
        self._socketio = socketio

    def emit(self, event: str, data: Any, room: str) -> None:
        """Queue an event for every client in a room; never waits for one."""
        packet: EnginePacket | None = None
        for socket in self.sockets(room):
            if packet is None:
                packet = queued_packet(event_payload(event, data))
            self.queue(socket, packet)

    def sockets(self, room: str) -> Iterator[Any]:
        """Yield the open Engine.IO sockets of the clients in a room; none before it is bound."""
        if self._socketio is None:
            return
        server = self._socketio.server
        for _, engine_sid in server.manager.get_participants(NAMESPACE, room):
            socket = server.eio.sockets.get(engine_sid)
            if socket is not None and not socket.closed:
                yield socket

    def queue(self, socket: Any, packet: EnginePacket) -> None:
        """Queue a packet for one client; cut a client for whom too many wait already."""
        if socket.queue.qsize() > MAX_QUEUED:
            self.cut(socket, waiting=socket.queue.qsize())
            return
        # Closed between the look and the send: its own thread is already taking leave of it.
        with suppress(EngineIOError):
            socket.send(packet)

    def cut(self, socket: Any, **why: Any) -> None:
        """End the connection of a client that does not keep up; `why` goes to the log."""
        self._clients_cut.inc()
        log.warning("client_too_slow", **why)
        with suppress(EngineIOError):
            socket.close(wait=False, abort=True)
