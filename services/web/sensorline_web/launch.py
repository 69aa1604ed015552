"""Settings → app → serving → an orderly end. The same in all three async modes; loaded after `wsgi` has chosen one."""

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import structlog
from engineio.exceptions import EngineIOError
from flask import Flask

from sensorline import logging as service_logging
from sensorline.decoders import build_decoders, time_limits
from sensorline.errors import Problem, SensorlineError, SettingsError, StartupError
from sensorline.fields import Settings
from sensorline.settings import DecodingSettings, LogSettings, MqttSettings, StoreSettings, load
from sensorline.sparing import settle
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.opening import open_reader
from sensorline_web.app import create_app
from sensorline_web.live.feed import build_link
from sensorline_web.live.sockets import PING_INTERVAL_S, PING_TIMEOUT_S
from sensorline_web.services import services
from sensorline_web.settings import WebSettings

log = structlog.get_logger()

BACKLOG = 1024
STOP_FEED_S = 1.0
GOODBYE_S = 0.1

Serve = Callable[[socket.socket, Flask, int], None]


class AllSettings(NamedTuple):
    """Everything that the web service is told."""

    web: WebSettings
    mqtt: MqttSettings
    store: StoreSettings
    decoding: DecodingSettings
    influx: InfluxSettings
    log: LogSettings


def read_settings(mode: str) -> AllSettings:
    """Return the settings of environment and `.env`. Raises SettingsError with all that is wrong."""
    groups: tuple[type[Settings], ...] = (
        WebSettings,
        MqttSettings,
        StoreSettings,
        DecodingSettings,
        InfluxSettings,
        LogSettings,
    )
    found = load(*groups)
    out = AllSettings(*(found[group] for group in groups))  # type: ignore[arg-type]  # each is of its own group
    if out.web.async_mode != mode:
        raise SettingsError(
            [Problem("WEB_ASYNC_MODE", out.web.async_mode, f"expected {mode}, with which this process began")]
        )
    return out


def build(settings: AllSettings) -> Flask:
    """Return the app on the store that the settings choose and its own session with the broker; nothing is started."""
    decoders = build_decoders(time_limits(settings.decoding, settings.store))
    return create_app(
        settings.web,
        mqtt=settings.mqtt,
        make_reader=lambda: open_reader(settings.store, settings.influx),
        link=build_link(settings.mqtt, decoders, settings.web.tick_ms / 1000),
        decoders=decoders,
    )


def start_feed(app: Flask) -> None:
    """Connect to the broker and begin to send what comes."""
    services(app).feed.start(app.extensions["socketio"].start_background_task)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises StartupError when the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit both on Linux: frames are not held back for an acknowledgement, and a browser that
        # stopped reading is given up after the time of a missed ping instead of whenever TCP gives up.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            timeout_ms = (PING_INTERVAL_S + PING_TIMEOUT_S) * 1000
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        raise StartupError(
            f"cannot listen on {host}:{port}: {exc.strerror or exc}; set WEB_HOST and WEB_PORT"
        ) from exc
    return listener


class Stopper:
    """Waits for the end: a signal, or a part that says that it cannot go on. Works with green sockets as with plain ones."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.reason = ""

    def catch_signals(self) -> None:
        """Let SIGTERM and SIGINT end the wait. The interpreter itself writes the byte: no event loop sleeps through it."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def fail(self, reason: str) -> None:
        """End the wait because of an error."""
        self.reason = self.reason or reason
        self._writer.send(b"\0")

    def wait(self) -> None:
        """Return when it is time to stop."""
        self._reader.recv(1)


def run(mode: str, serve: Serve) -> int:
    """Serve until a signal; return the exit code: 0, 1 when something ended that must not, 2 for bad settings."""
    stopper = Stopper()
    stopper.catch_signals()
    try:
        settings = read_settings(mode)
        service_logging.configure(settings.log, "web")
        app = build(settings)
        listener = listen(settings.web.host, settings.web.port)
    except SensorlineError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    socketio = app.extensions["socketio"]
    services(app).feed.on_fatal = stopper.fail

    def serve_until_the_end() -> None:
        try:
            serve(listener, app, settings.web.max_clients)
        except Exception as exc:
            log.exception("serving_failed")
            stopper.fail(f"serving ended: {type(exc).__name__}")

    settle()
    start_feed(app)
    socketio.start_background_task(serve_until_the_end)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("web_started", url=f"http://{shown}:{port}", async_mode=mode)
    stopper.wait()
    if stopper.reason:
        log.error("web_failed", detail=stopper.reason)
    _stop(app, socketio)
    log.info("web_stopped")
    return 1 if stopper.reason else 0


def _stop(app: Flask, socketio: Any) -> None:
    parts = services(app)
    for client in list(socketio.server.eio.sockets.values()):
        # Engine.IO's own disconnect() waits for each client's queue, and can wait for ever.
        with suppress(EngineIOError):
            client.close(wait=False)
    socketio.start_background_task(parts.feed.stop)
    # A session that is just being opened can take longer to end than anybody wants to wait.
    waited_s = 0.0
    while waited_s < STOP_FEED_S and not parts.feed.is_stopped:
        socketio.sleep(0.02)
        waited_s += 0.02
    socketio.sleep(GOODBYE_S)
    parts.readers.close()
