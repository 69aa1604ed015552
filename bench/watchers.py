"""Many live clients as raw sockets, in a process of their own so that they cost the measured service nothing.

    python bench/watchers.py PORT COUNT

Opens COUNT WebSockets that watch everything and prints `ready`. For each line on standard input it prints the figures since the
line before, as JSON. A reading's value is the publisher's CLOCK_MONOTONIC in ms: a latency is that of the oldest reading in a frame.
"""

import json
import os
import selectors
import socket
import sys
import time
from array import array

MESSAGE = b"42/livefeed,"
PING = b"\x81\x012"
PONG = b"\x81\x81\x00\x00\x00\x003"
"""A client masks what it sends (RFC 6455, section 5.3); with a mask of zeros the text stays readable."""


def masked(text: bytes) -> bytes:
    """Return a short text message as a client sends it."""
    assert len(text) < 126
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def open_one(port: int) -> socket.socket:
    """Return a WebSocket that watches all series."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for sent, awaited in (
        (b"", b"0{"),
        (b"40/livefeed,", b"40/livefeed,{"),
        (b'42/livefeed,0["watch",{"all":true}]', b'43/livefeed,0[{"ok":true}]'),
    ):
        if sent:
            sock.sendall(masked(sent))
        heard = b""
        while awaited not in heard:
            data = sock.recv(65536)
            assert data, f"the service closed the connection after {heard[-200:]!r}"
            heard += data
    sock.setblocking(False)
    return sock


class Watchers:
    """All clients, and what they saw since the last report."""

    def __init__(self, port: int, count: int) -> None:
        self.selector = selectors.EpollSelector()
        self.oldest_ms: dict[bytes, float | None] = {}
        self.rest: dict[int, bytes] = {}
        for _ in range(count):
            self.selector.register(open_one(port), selectors.EVENT_READ)
        self.latencies_ms = array("d")
        self.missed = 0

    def receive(self, sock: socket.socket) -> None:
        """Take what one client was sent."""
        data = sock.recv(1 << 18)
        assert data, "the service closed a connection"
        now_ms = time.monotonic() * 1000
        number = sock.fileno()
        data = self.rest.pop(number, b"") + data
        while len(data) > 1:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(data[2:10], "big"), 10
            if len(data) < start + length:
                break
            self._take(sock, data[: start + length], start, now_ms)
            data = data[start + length :]
        if data:
            self.rest[number] = data

    def _take(self, sock: socket.socket, frame: bytes, start: int, now_ms: float) -> None:
        # All clients of a group are sent the same bytes: they are parsed once.
        if frame not in self.oldest_ms:
            self.oldest_ms[frame] = self._oldest_ms(frame[start:])
        if frame == PING:
            sock.send(PONG)
        oldest_ms = self.oldest_ms[frame]
        if oldest_ms is not None:
            self.latencies_ms.append(now_ms - oldest_ms)

    def _oldest_ms(self, payload: bytes) -> float | None:
        if not payload.startswith(MESSAGE + b'["frame"'):
            return None
        body = json.loads(payload[len(MESSAGE) :])[1]
        self.missed += bool(body.get("missed"))
        return float(min(min(values) for _, _, _, values, _ in body["series"]))

    def report(self) -> str:
        """Return the figures since the last report."""
        found = sorted(self.latencies_ms)
        self.latencies_ms = array("d")
        self.oldest_ms.clear()
        at = {f"p{p}": found[int(len(found) * p / 100)] if found else None for p in (50, 95, 99)}
        return json.dumps({"frames": len(found), "missed": self.missed} | at)


def main() -> None:
    """Watch until standard input ends."""
    watchers = Watchers(int(sys.argv[1]), int(sys.argv[2]))
    watchers.selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in watchers.selector.select():
            if isinstance(key.fileobj, socket.socket):
                watchers.receive(key.fileobj)
            elif os.read(sys.stdin.fileno(), 4096):
                print(watchers.report(), flush=True)
            else:
                return


if __name__ == "__main__":
    main()
