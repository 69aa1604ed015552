"""Where the web process begins. The only file that knows of eventlet and gevent.

Importing it replaces blocking calls by those of the async mode, which has to come before everything else: so import
it first, in a process of its own (`python -m sensorline_web`). It is also what a WSGI server loads:
`gunicorn --workers 1 --threads 200 'sensorline_web.wsgi:build_app()'` with WEB_ASYNC_MODE=threading.

Why not `socketio.run()`: it listens with SO_REUSEPORT under eventlet, so that a second web service on the same port
would get half of the visitors in silence, and it cannot be stopped from outside.
"""

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from flask import Flask

DEFAULT_MODE = "eventlet"

SPARE_CONNECTIONS = 256
"""Connections besides the live ones that eventlet serves at the same time."""

LOOKUP_THREADS = 2
"""Names that eventlet looks up at the same time: the broker's, and one other's."""

SOCKET_TIMEOUT_S = 30
"""A client that neither sends nor takes anything for so long is gone. Live ones answer a ping every 10 s."""


def chosen_mode() -> str:
    """Return the async mode of the environment or `.env`; the settings check later whether there is such a mode."""
    mode = os.environ.get("WEB_ASYNC_MODE")
    if not mode:
        from dotenv import dotenv_values

        mode = dotenv_values(os.environ.get("SENSORLINE_ENV_FILE", ".env")).get("WEB_ASYNC_MODE")
    return mode or DEFAULT_MODE


def _patch(mode: str) -> None:
    if mode == "eventlet":
        # eventlet warns at each import that it will retire. It is the default because it is fast on one core; gevent
        # and threading are one setting away, and tested as well.
        warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
        # Its own resolver keeps 8 MB and knows no name that the system has from elsewhere, such as raspberrypi.local.
        os.environ["EVENTLET_NO_GREENDNS"] = "yes"
        import eventlet

        _look_up_in_threads()
        eventlet.monkey_patch()
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()


def _look_up_in_threads() -> None:
    """Let eventlet ask the system for addresses without stopping everybody else for as long as that takes."""
    from eventlet import tpool
    from eventlet.green import socket as green

    plain = green.getaddrinfo
    tpool.set_num_threads(LOOKUP_THREADS)

    def getaddrinfo(
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the socket module's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        try:
            # What is an address already needs no thread.
            return plain(host, port, family, type, proto, flags | green.AI_NUMERICHOST)
        except green.gaierror:
            return tpool.execute(plain, host, port, family, type, proto, flags)

    green.getaddrinfo = getaddrinfo


MODE = chosen_mode()
_patch(MODE)


def _load_libraries() -> None:
    """Import Socket.IO without the clients, queues and servers of its other users, which it loads where they are installed."""
    from sensorline.logging import configure  # noqa: F401  # before anything that logs
    from sensorline.sparing import absent

    with absent(
        "aio_pika", "aiohttp", "kafka", "kombu", "redis", "requests", "tornado", "valkey", "websocket", "zmq"
    ):
        import flask_socketio  # noqa: F401


def _serve_eventlet(listener: "socket.socket", app: "Flask", max_clients: int) -> None:
    import eventlet.wsgi

    eventlet.wsgi.server(
        listener,
        app,
        log=logging.getLogger("sensorline_web.http"),
        log_output=False,
        # With debug, eventlet sends tracebacks to the client.
        debug=False,
        max_size=max_clients + SPARE_CONNECTIONS,
        socket_timeout=SOCKET_TIMEOUT_S,
    )


def _serve_gevent(listener: "socket.socket", app: "Flask", max_clients: int) -> None:
    from gevent.pywsgi import WSGIHandler, WSGIServer

    class Handler(WSGIHandler):  # type: ignore[misc]  # gevent has no types
        def handle_one_response(self) -> None:
            super().handle_one_response()
            if "HTTP_UPGRADE" in self.environ:
                # After a WebSocket there is no next request to wait for.
                self.close_connection = True

    logger = logging.getLogger("sensorline_web.http")
    WSGIServer(listener, app, log=None, error_log=logger, handler_class=Handler).serve_forever()


def _serve_threading(listener: "socket.socket", app: "Flask", max_clients: int) -> None:
    # Werkzeug's server with a thread for each connection: plain, and enough on a trusted network. Facing the
    # internet, gunicorn or a proxy belongs before it.
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SOCKET_TIMEOUT_S

        def version_string(self) -> str:
            return "sensorline"

        def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
            # It ends WebSockets, too: there is no next request to wait for.
            self.close_connection = True

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing: the metrics count requests."""

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the name is Werkzeug's
            logging.getLogger("sensorline_web.http").info(message, *args)

    host, port = listener.getsockname()[:2]
    server = make_server(host, port, app, threaded=True, request_handler=Handler, fd=listener.fileno())
    server.serve_forever()


def serve_function() -> "Callable[[socket.socket, Flask, int], None]":
    """Return the function that serves an app on a listening socket in this process's async mode, for ever."""
    return {"gevent": _serve_gevent, "threading": _serve_threading}.get(MODE, _serve_eventlet)


def build_app() -> "Flask":
    """Return the app with its feed started, for a WSGI server that is not ours. Raises SettingsError."""
    _load_libraries()
    from sensorline_web.launch import build, read_settings, start_feed

    app = build(read_settings(MODE))
    start_feed(app)
    return app


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    _load_libraries()
    from sensorline_web.launch import run

    return run(MODE, serve_function())


if __name__ == "__main__":
    sys.exit(main())
