"""`/healthz`, `/readyz` and `/metrics` on a port of their own."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from sensorline.errors import StartupError
from sensorline.stores.base import Backlog

Checks = Callable[[], dict[str, str]]
"""Returns for each check `ok` or a sentence that says what is wrong."""


JOURNAL_ALARM = 0.8


def delivery_check(backlog: Backlog) -> str:
    """Return `ok`, or what people should know about readings that the store does not have yet."""
    if not backlog.problem and backlog.fullness < JOURNAL_ALARM:
        return "ok"
    away = f"away for {backlog.away_s:.0f} s, " if backlog.problem else ""
    wait = f"{backlog.readings:,} readings wait, the journal is {backlog.fullness:.0%} full"
    return f"{away}{wait}{': ' if backlog.problem else ''}{backlog.problem}"


class HealthServer:
    """Serves until stopped. Liveness is always cheap; readiness is 503 with the reasons while a check is not ok."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, checks: Checks) -> None:
        class Handler(BaseHTTPRequestHandler):
            server_version = "sensorline"
            sys_version = ""

            def do_GET(self) -> None:
                status, content_type, body = 404, "text/plain; charset=utf-8", b"not found\n"
                if self.path == "/healthz":
                    status, body = 200, b"ok\n"
                elif self.path == "/readyz":
                    results = checks()
                    status = 200 if all(text == "ok" for text in results.values()) else 503
                    content_type, body = "application/json", msgspec.json.encode(results)
                elif self.path == "/metrics":
                    status, content_type, body = 200, CONTENT_TYPE_LATEST, generate_latest(registry)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Probes come every few seconds: they are not worth a line."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as exc:
            raise StartupError(
                f"INGEST_HTTP_PORT={port}: cannot listen on {host}: {exc.strerror}; choose another port, or 0"
            ) from exc
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.5,), name="health", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
