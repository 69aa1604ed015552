"""The Socket.IO server of the live namespace: its limits, and what a client may say. Knows nothing of readings."""

import logging
from typing import Any

import socketio as pysocketio
import structlog
from flask import Flask
from flask_socketio import SocketIO

from sensorline.errors import QueryError
from sensorline_web.live.emitter import LIVE_ROOM, Emitter, FastJson
from sensorline_web.live.engine import prepare_engine
from sensorline_web.live.fanout import FanOut
from sensorline_web.live.feed import Feed
from sensorline_web.live.gate import SocketGate, origin_check
from sensorline_web.live.groups import parse_wish
from sensorline_web.live.liveframe import NAMESPACE
from sensorline_web.metrics import WebMetrics
from sensorline_web.settings import WebSettings

log = structlog.get_logger()

PING_INTERVAL_S = 10
PING_TIMEOUT_S = 10
MAX_MESSAGE_BYTES = 65_536
"""The largest message that a client may send: 500 series with long names."""


class AcceptingManager(pysocketio.Manager):  # type: ignore[misc]  # python-socketio has no types
    """Knows the moment at which a client is accepted: after its CONNECT packet was answered, not while it is judged."""

    def __init__(self, on_accepted: Any) -> None:
        super().__init__()
        self._on_accepted = on_accepted

    def connect(self, sid: str, namespace: str) -> str:
        sid = super().connect(sid, namespace)
        if namespace == NAMESPACE:
            self._on_accepted(sid)
        return sid


class _OneLine(logging.Handler):
    """What the Socket.IO libraries complain about, in one line of ours: a client's nonsense is worth no traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        detail = record.getMessage()[:200]
        if record.exc_info and record.exc_info[1]:
            detail += f" ({type(record.exc_info[1]).__name__})"
        log.warning("socketio", detail=detail)


def _library_logger() -> logging.Logger:
    logger = logging.getLogger("sensorline_web.socketio")
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.handlers = [_OneLine()]
    return logger


class Clients:
    """What clients of the live namespace do: connect, watch, unwatch, leave."""

    def __init__(
        self, settings: WebSettings, feed: Feed, emitter: Emitter, fanout: FanOut, metrics: WebMetrics
    ) -> None:
        self._max_clients = settings.max_clients
        self._feed = feed
        self._emitter = emitter
        self._fanout = fanout
        self._metrics = metrics
        self._accepted: set[str] = set()
        self._server: Any = None

    def register(self, server: Any) -> None:
        """Handle the events of this server."""
        self._server = server
        for event in ("connect", "watch", "unwatch", "disconnect"):
            server.on(event, getattr(self, f"_{event}"), namespace=NAMESPACE)

    def accepted(self, sid: str) -> None:
        """A client's connection was answered: from now on it may be told something."""
        self._accepted.add(sid)
        self._metrics.clients.set(len(self._accepted))
        self._server.manager.enter_room(sid, NAMESPACE, LIVE_ROOM)
        self._emitter.emit("state", self._feed.pipeline(), sid)

    def _connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        if len(self._accepted) >= self._max_clients:
            self._metrics.clients_refused.inc()
            raise pysocketio.exceptions.ConnectionRefusedError("too many live connections; try again later")

    def _watch(self, sid: str, message: Any = None, *_: Any) -> dict[str, Any]:
        try:
            wish = parse_wish(message)
        except QueryError as exc:
            return {"ok": False, "error": exc.detail}
        engine_sid = self._server.manager.eio_sid_from_sid(sid, NAMESPACE)
        engine_socket = self._server.eio.sockets.get(engine_sid)
        if engine_socket is not None:
            self._fanout.trust(engine_socket)
        left, joined = self._feed.coalescer.watch(sid, wish)
        self._move(sid, left, joined)
        return {"ok": True}

    def _unwatch(self, sid: str, *_: Any) -> dict[str, Any]:
        self._move(sid, self._feed.coalescer.forget(sid), None)
        return {"ok": True}

    def _disconnect(self, sid: str, reason: Any = None) -> None:
        self._accepted.discard(sid)
        self._metrics.clients.set(len(self._accepted))
        self._feed.coalescer.forget(sid)
        self._metrics.groups.set(self._feed.coalescer.group_count)

    def _move(self, sid: str, left: str | None, joined: str | None) -> None:
        # The answer goes out after this: what a client loads from history when it has it overlaps with its frames.
        if left:
            self._server.manager.leave_room(sid, NAMESPACE, left)
        if joined:
            self._server.manager.enter_room(sid, NAMESPACE, joined)
        self._metrics.groups.set(self._feed.coalescer.group_count)


def attach_sockets(
    app: Flask, settings: WebSettings, feed: Feed, emitter: Emitter, fanout: FanOut, metrics: WebMetrics
) -> SocketIO:
    """Give the app its live namespace and return the server."""
    clients = Clients(settings, feed, emitter, fanout, metrics)
    logger = _library_logger()
    socketio = SocketIO(
        app,
        async_mode=settings.async_mode,
        # Handlers are short and run in the client's own thread: a client that floods waits for itself.
        async_handlers=False,
        client_manager=AcceptingManager(clients.accepted),
        cors_allowed_origins=origin_check(settings.allowed_origins),
        cors_credentials=False,
        cookie=None,
        json=FastJson,
        logger=logger,
        engineio_logger=logger,
        manage_session=False,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=PING_TIMEOUT_S,
        transports=["websocket", "polling"],
    )
    clients.register(socketio.server)
    outlets = prepare_engine(socketio.server.eio, MAX_MESSAGE_BYTES, is_direct=settings.direct_frames)
    app.wsgi_app = SocketGate(  # type: ignore[method-assign]  # middleware is put on an app in this way
        app.wsgi_app, socketio.server.eio, settings.max_clients, metrics.clients_refused
    )
    emitter.bind(socketio)
    fanout.bind(outlets)
    feed.sleep = socketio.sleep
    return socketio
