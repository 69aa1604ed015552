"""What stands before the Socket.IO server: origins, number of sockets, no compression."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter

SOCKET_PATH = "/socket.io"

SPARE_SOCKETS = 16
"""Sockets above the number of clients: those that are being judged, and a reload that comes before its goodbye."""


def origin_check(allowed: Iterable[str]) -> Callable[[str | None, dict[str, Any]], bool]:
    """Return a check of the Origin header: the page's own origin, or one that the settings name.

    Forwarded-Host headers do not count, because any client can send them; behind a proxy name the outer origin in
    WEB_ALLOWED_ORIGINS. This keeps other people's pages out; it is not authentication.
    """
    named = frozenset(allowed)

    def is_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        own = f"{environ.get('wsgi.url_scheme', 'http')}://{environ.get('HTTP_HOST', '')}"
        return origin == own or origin in named

    return is_allowed


class SocketGate:
    """WSGI middleware before the Socket.IO server."""

    def __init__(self, wsgi_app: Any, engine: Any, max_clients: int, refused: Counter) -> None:
        self._wsgi_app = wsgi_app
        self._engine = engine
        self._max_sockets = max_clients + SPARE_SOCKETS
        self._refused = refused

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO", "").startswith(SOCKET_PATH):
            # Compressed frames cost four times the CPU and twice the memory of plain ones on a network that has room.
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            is_new = "sid=" not in environ.get("QUERY_STRING", "")
            if is_new and self._is_full():
                self._refused.inc()
                start_response(
                    "503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "5")]
                )
                return [b"too many live connections; try again later"]
        return self._wsgi_app(environ, start_response)

    def _is_full(self) -> bool:
        if len(self._engine.sockets) < self._max_sockets:
            return False
        # Sockets that have ended stay in the table until Engine.IO sweeps it.
        return sum(not s.closed for s in list(self._engine.sockets.values())) >= self._max_sockets
