"""Many live clients as raw sockets, in a process of their own so that they cost the measured service nothing.

    python bench/watchers.py PORT COUNT

Opens COUNT WebSockets that watch everything and prints `ready`. For each line on standard input it prints the figures since the
line before, as JSON. A reading's value is the publisher's CLOCK_MONOTONIC in ms: a latency is that of the oldest reading in a frame.
"""

import json
import os
import select
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
        self.epoll = select.epoll()
        self.epoll.register(sys.stdin, select.EPOLLIN)
        self.clients: dict[int, socket.socket] = {}
        self.rest: dict[int, bytes] = {}
        for _ in range(count):
            sock = open_one(port)
            self.clients[sock.fileno()] = sock
            self.epoll.register(sock, select.EPOLLIN)
        self.latencies_ms = array("d")
        self.missed = 0
        # All clients of a group are sent the same bytes: they are parsed once.
        self.frame = b""
        self.oldest_ms: float | None = None

    def receive(self, number: int) -> None:
        """Take what one client was sent."""
        data = self.clients[number].recv(1 << 18)
        now_ms = time.monotonic() * 1000
        if data == self.frame and not self.rest and self.oldest_ms is not None:
            self.latencies_ms.append(now_ms - self.oldest_ms)
            return
        assert data, "the service closed a connection"
        data = self.rest.pop(number, b"") + data
        while len(data) > 1:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(data[2:10], "big"), 10
            if len(data) < start + length:
                break
            self._take(number, data[: start + length], start, now_ms)
            data = data[start + length :]
        if data:
            self.rest[number] = data

    def _take(self, number: int, frame: bytes, start: int, now_ms: float) -> None:
        if frame == PING:
            self.clients[number].send(PONG)
            return
        if frame != self.frame:
            self.frame, self.oldest_ms = frame, self._oldest_ms(frame[start:])
        if self.oldest_ms is not None:
            self.latencies_ms.append(now_ms - self.oldest_ms)

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
        at = {f"p{p}": found[int(len(found) * p / 100)] if found else None for p in (50, 95, 99)}
        return json.dumps({"frames": len(found), "missed": self.missed} | at)


def main() -> None:
    """Watch until standard input ends."""
    watchers = Watchers(int(sys.argv[1]), int(sys.argv[2]))
    stdin = sys.stdin.fileno()
    print("ready", flush=True)
    while True:
        for number, _ in watchers.epoll.poll():
            if number != stdin:
                watchers.receive(number)
            elif os.read(stdin, 4096):
                print(watchers.report(), flush=True)
            else:
                return


if __name__ == "__main__":
    main()
