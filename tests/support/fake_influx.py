"""A server that answers writes as told: any status code, late, or not at all. It remembers what it took.

Every question is answered with nothing at all.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from sensorline.stores.influxdb.settings import InfluxSettings


class Write(NamedTuple):
    """One request: the bucket, and its lines."""

    bucket: str
    lines: tuple[bytes, ...]


class Reply(NamedTuple):
    """How to answer a write. `keeps` says whether the lines are stored; `status` 0 closes the connection instead."""

    status: int = 204
    message: str = ""
    keeps: bool = True
    delay_s: float = 0.0
    retry_after: str = ""


OK = Reply()
LOST = Reply(0)
"""Stored, and the answer never arrives."""

Behaviour = Callable[[Write], Reply]


class FakeInflux:
    """Runs on a free port of 127.0.0.1. `behaviour` decides about each write; `stored` is what was kept, like a set."""

    def __init__(self, behaviour: Behaviour = lambda _: OK) -> None:
        self.behaviour = behaviour
        self.writes: list[Write] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.stored: Counter[tuple[str, bytes]] = Counter()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _answer_query(self, body: bytes) -> None:
                statements = parse_qs(body.decode())["q"][0].count(";") + 1
                answer = msgspec.msgpack.encode({"results": [{}] * statements})
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith("/query"):
                    self._answer_query(body)
                    return
                bucket = parse_qs(urlsplit(self.path).query)["bucket"][0]
                fake.bodies.append(body)
                fake.headers.append(dict(self.headers))
                write = Write(bucket, tuple(body.splitlines()))
                fake.writes.append(write)
                reply = fake.behaviour(write)
                if reply.keeps:
                    # The same point again replaces itself.
                    fake.stored.update(
                        {(bucket, line): 1 for line in write.lines if not fake.stored[bucket, line]}
                    )
                time.sleep(reply.delay_s)
                if not reply.status:
                    self.close_connection = True
                    return
                body = b'{"code":"any","message":"%b"}' % reply.message.encode() if reply.message else b""
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(body)))
                if reply.retry_after:
                    self.send_header("Retry-After", reply.retry_after)
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that has given up waiting is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def settings(self, timeout_ms: int = 5_000, url: str = "", bucket: str = "b") -> InfluxSettings:
        """Return the settings that lead a store here, or to `url`."""
        url = url or f"http://127.0.0.1:{self._server.server_address[1]}"
        return InfluxSettings(url=url, org="o", token="t", bucket=bucket, timeout=timeout_ms)  # type: ignore[arg-type]

    def raw(self) -> Counter[bytes]:
        """Return the readings' lines that were kept."""
        return Counter({line: n for (bucket, line), n in self.stored.items() if bucket == "b"})

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
