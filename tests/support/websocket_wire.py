"""WebSocket frames as bytes (RFC 6455, section 5.2): taking apart what a server sends, and a client that reads when the test wants."""

import json
import socket
from typing import Any, NamedTuple

from tests.support.waiting import wait_until

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
PREFIX = b'42/livefeed,["frame",'


class Frame(NamedTuple):
    """One frame: its opcode and its payload."""

    opcode: int
    payload: bytes


class Frames:
    """Cuts a server's stream into frames; anything that no server may send fails the test."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now."""
        self.rest += data
        found = []
        while len(self.rest) >= 2:
            first, length = self.rest[0], self.rest[1]
            assert first & 0xF0 == 0x80, f"not the beginning of a single frame: {self.rest[:20]!r}"
            assert first & 0x0F in (TEXT, CLOSE, PING, PONG), f"no opcode of ours: {self.rest[:20]!r}"
            extra = {126: 2, 127: 8}.get(length, 0)
            start = 2 + extra
            if extra:
                length = int.from_bytes(self.rest[2:start], "big")
            assert length < 1 << 24, f"masked, or no frame at all: {self.rest[:20]!r}"
            if len(self.rest) < start + length:
                break
            found.append(Frame(first & 0x0F, self.rest[start : start + length]))
            self.rest = self.rest[start + length :]
        return found


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a short frame as a client sends it, with a mask of zeros."""
    assert len(payload) < 126
    return bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


class RawClient:
    """A live client that reads only when it is told to, through a small window."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
        self.sock.settimeout(5)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1)
        assert b" 101 " in head, head
        self._frames = Frames()
        self.heard: list[Frame] = []
        self.wait_for_text(b"0{")
        self.say("40/livefeed,")
        self.wait_for_text(b"40/livefeed,{")

    def say(self, text: str) -> None:
        """Send a text message."""
        self.sock.sendall(masked(TEXT, text.encode()))

    def watch_all(self) -> None:
        """Watch every series."""
        self.say('42/livefeed,1["watch",{"all":true}]')
        self.wait_for_text(b'43/livefeed,1[{"ok":true}]')

    def read(self) -> list[Frame]:
        """Read once, for a tenth of a second at most; return the frames that became whole."""
        self.sock.settimeout(0.1)
        try:
            data = self.sock.recv(1 << 20)
        except TimeoutError:
            return []
        assert data, "the server closed the connection"
        found = self._frames.feed(data)
        self.heard += found
        return found

    def wait_for_text(self, beginning: bytes) -> None:
        """Read until a message begins like this."""
        wait_until(
            lambda: self.read() and any(f.payload.startswith(beginning) for f in self.heard),
            10,
            f"{beginning!r}",
            every_s=0,
        )

    def live(self) -> list[dict[str, Any]]:
        """Return the live frames heard so far."""
        return [json.loads(f.payload[12:])[1] for f in self.heard if f.payload.startswith(PREFIX)]

    def newest(self, device: str, metric: str) -> float | None:
        """Return the value of a series that came last."""
        values = [
            entry[3][-1]
            for frame in self.live()
            for entry in frame["series"]
            if entry[:2] == [device, metric]
        ]
        return values[-1] if values else None

    def close(self) -> None:
        """Go without a goodbye."""
        self.sock.close()
