"""Sends events to rooms: encoded once, put to each client by itself, so that one bad client costs the others nothing."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from flask_socketio import SocketIO
from prometheus_client import Counter
from socketio.packet import EVENT

log = structlog.get_logger()

NAMESPACE = "/livefeed"

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
        if self._socketio is None:
            return
        server = self._socketio.server
        packet: EnginePacket | None = None
        for _, engine_sid in server.manager.get_participants(NAMESPACE, room):
            socket = server.eio.sockets.get(engine_sid)
            if socket is None or socket.closed:
                continue
            if packet is None:
                text = server.packet_class(EVENT, namespace=NAMESPACE, data=[event, data]).encode()
                packet = EnginePacket(MESSAGE, text)
            if socket.queue.qsize() > MAX_QUEUED:
                self._cut(socket)
                continue
            # Closed between the look and the send: its own thread is already taking leave of it.
            with suppress(EngineIOError):
                socket.send(packet)

    def _cut(self, socket: Any) -> None:
        self._clients_cut.inc()
        log.warning("client_too_slow", waiting=socket.queue.qsize())
        with suppress(EngineIOError):
            socket.close(wait=False, abort=True)

    def announce(self, event: str, data: Any) -> None:
        """Queue an event for every accepted client."""
        self.emit(event, data, LIVE_ROOM)
