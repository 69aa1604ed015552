"""The only file that reaches into Engine.IO and the WebSocket libraries: limits what they take, and puts an outlet under each
WebSocket. What it relies on is checked: versions once, at the start; each WebSocket by what it is, when it is opened.
"""

import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import structlog
from engineio.socket import Socket as EngineSocket

from sensorline_web.live.outlet import Outlet

log = structlog.get_logger()

KNOWN = {
    ("engineio.async_drivers.eventlet", "WebSocketWSGI"): {"python-engineio": "4.15", "eventlet": "0.41"},
    ("engineio.async_drivers.gevent", "WebSocketWSGI"): {
        "python-engineio": "4.15",
        "simple-websocket": "1.1",
    },
    ("engineio.async_drivers._websocket_wsgi", "SimpleWebSocketWSGI"): {
        "python-engineio": "4.15",
        "simple-websocket": "1.1",
    },
}
"""The drivers that were read, each with the releases (major.minor) in which they were."""

_RFC_6455_VERSIONS = (8, 13)

_ASKED = "sensorline.asked"


class Outlets:
    """The outlets of the WebSockets that are open now, by Engine.IO session."""

    def __init__(self) -> None:
        self._of_sid: dict[str, Outlet] = {}
        self._ready: set[str] = set()

    def trust(self, engine_socket: Any) -> None:
        """Know that a client has its answer to CONNECT, because it asked for something: what is written may now come first."""
        engine_socket.session[_ASKED] = True

    def of(self, engine_socket: Any) -> Outlet | None:
        """Return the outlet of a client; None before it asked for anything, and while it is on long-polling or between both.

        After an upgrade, what the polling time has left in the queue goes out first.
        """
        sid = engine_socket.sid
        if sid not in self._ready:
            if not (sid in self._of_sid and engine_socket.upgraded and _ASKED in engine_socket.session):
                return None
            if not engine_socket.queue.empty():
                return None
            self._ready.add(sid)
        return self._of_sid.get(sid)

    def add(self, sid: str, outlet: Outlet) -> None:
        """Know an outlet from now on."""
        self._of_sid[sid] = outlet

    def drop(self, sid: str) -> None:
        """End a session's outlet and forget it."""
        self._ready.discard(sid)
        outlet = self._of_sid.pop(sid, None)
        if outlet is not None:
            outlet.end()


def why_not(driver: Any) -> str | None:
    """Return why live frames cannot be written directly with this driver of WebSockets and these releases, or None."""
    name = (getattr(driver, "__module__", ""), getattr(driver, "__qualname__", ""))
    known = KNOWN.get(name)
    if known is None:
        return f"the WebSocket driver {'.'.join(name)} is not known"
    for package, release in known.items():
        found = version(package)
        if found.split(".")[:2] != release.split("."):
            return f"{package} is {found}, known is {release}"
    return None


def prepare_engine(engine: Any, max_message_bytes: int, *, is_direct: bool) -> Outlets:
    """Limit what the engine's WebSockets take, and give them outlets if `is_direct`. Returns their table.

    Where direct writing is not possible, one line in the log says why, and everything goes through Engine.IO's queues.
    """
    outlets = Outlets()
    driver = engine._async["websocket"]
    reason = why_not(driver) if is_direct else None
    if reason:
        log.warning("live_direct_off", detail=f"{reason}; frames go through Engine.IO's queues")
    can_write = is_direct and reason is None

    def make(handler: Any, server: Any) -> Any:
        websocket = driver(_with_outlet(handler, outlets) if can_write else handler, server)
        if hasattr(websocket, "server_args"):
            # Engine.IO looks at a message's size only after simple-websocket has put the whole of it together.
            websocket.server_args["max_message_size"] = max_message_bytes
            _send_whole(websocket)
        return websocket

    # A copy: the driver's table belongs to every server of the process.
    engine._async = {**engine._async, "websocket": make}
    return outlets


def _with_outlet(handler: Any, outlets: Outlets) -> Callable[[Any], Any]:
    """Return Engine.IO's handler of a WebSocket with an outlet under the WebSocket while it runs."""
    engine_socket = getattr(handler, "__self__", None)

    def handle(websocket: Any) -> Any:
        holder, name = _socket_of(websocket)
        if holder is None or not isinstance(engine_socket, EngineSocket):
            return handler(websocket)
        outlet = Outlet(getattr(holder, name), time.monotonic())
        # simple-websocket's thread reads already, and could just now be answering a WebSocket ping: a few bytes
        # into an empty buffer, in one piece. Everything after this line passes the outlet.
        setattr(holder, name, outlet)
        outlets.add(engine_socket.sid, outlet)
        try:
            return handler(websocket)
        finally:
            outlets.drop(engine_socket.sid)

    return handle


def _socket_of(websocket: Any) -> tuple[Any, str]:
    """Return the object that holds a WebSocket's plain TCP or Unix socket, and the attribute's name; (None, "") if there is none.

    TLS ended in this process, and eventlet's dialects from before RFC 6455, are none: their bytes on the wire are others.
    """
    if hasattr(websocket, "ws"):
        holder, name = websocket.ws, "sock"
    elif getattr(websocket, "version", None) in _RFC_6455_VERSIONS and not getattr(
        websocket, "extensions", True
    ):
        holder, name = websocket, "socket"
    else:
        return None, ""
    sock = getattr(holder, name, None)
    # Under eventlet and gevent `socket.socket` is theirs. TLS sockets are of derived classes, or quite different ones.
    return (holder, name) if type(sock) is socket.socket else (None, "")


def _send_whole(websocket: Any) -> None:
    """Let simple-websocket send whole messages: it uses a single `send()`, which may take only a part."""
    from wsproto.events import BytesMessage, TextMessage
    from wsproto.utilities import LocalProtocolError

    def send(message: str | bytes) -> None:
        inner = websocket.ws
        event = BytesMessage(message) if isinstance(message, bytes) else TextMessage(str(message))
        try:
            inner.sock.sendall(inner.ws.send(event))
        except LocalProtocolError as exc:
            raise OSError("the WebSocket is closed") from exc

    websocket.send = send
