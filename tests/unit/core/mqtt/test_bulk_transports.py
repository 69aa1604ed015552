"""The bulk reader over TLS and WebSockets, and without it by a setting: the same messages."""

import base64
import hashlib
import select
import shutil
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.production import make_certificates
from tests.support.waiting import wait_until

from sensorline.mqtt import MqttLink
from sensorline.mqtt.arrivals import RawMessage
from sensorline.mqtt.bulk import BulkClient
from sensorline.settings import MqttSettings

CONNACK = b"\x20\x02\x00\x00"
WAIT_S = 10


def upgrade(sock: socket.socket) -> None:
    """Answer a WebSocket handshake (RFC 6455, section 4.2)."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += sock.recv(1000)
    headers = dict(line.split(": ", 1) for line in request.decode().split("\r\n")[1:] if line)
    key = headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    sock.sendall(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
    )


def frame(data: bytes, opcode: int = 2) -> bytes:
    """Return a WebSocket frame as a server sends it (section 5.2)."""
    size = len(data)
    length = bytes([size]) if size < 126 else struct.pack("!BH", 126, size)
    return bytes([0x80 | opcode]) + length + data


class Peer:
    """A client that reads in bulk, and the other end of its connection."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.lists: list[list[RawMessage]] = []
        self.client = BulkClient(
            self.lists.append, client_id="test", transport=transport.removesuffix("+tls")
        )
        self._frames = transport.startswith("websockets")
        listener = socket.create_server(("127.0.0.1", 0))
        context = None
        if transport.endswith("tls"):
            make_certificates(folder / "certs")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "certs" / "server.crt", folder / "certs" / "server.key")
            self.client.tls_set(ca_certs=str(folder / "certs" / "ca.crt"))
        accepted: list[socket.socket] = []

        def accept() -> None:
            sock, _ = listener.accept()
            sock = context.wrap_socket(sock, server_side=True) if context else sock
            if self._frames:
                upgrade(sock)
            accepted.append(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        self.client.connect("127.0.0.1", listener.getsockname()[1])
        thread.join(WAIT_S)
        listener.close()
        (self.sock,) = accepted
        self.sock.settimeout(WAIT_S)
        self.send([CONNACK])
        self.read_until(self.client.is_connected)

    def send(self, pieces: list[bytes]) -> None:
        """Send each piece as a record or frame of its own."""
        for piece in pieces:
            self.sock.sendall(frame(piece) if self._frames else piece)

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Let the client read, as paho's loop does, until something is so."""

        def step() -> bool:
            sock = self.client.socket()
            assert sock is not None, "the connection ended"
            if select.select([sock], [], [], 0.01)[0] or (hasattr(sock, "pending") and sock.pending()):
                self.client.loop_read()
            return condition()

        wait_until(step, WAIT_S, "the client to read it")

    @property
    def messages(self) -> list[Any]:
        return [message[:4] for messages in self.lists for message in messages]

    def close(self) -> None:
        self.client.on_disconnect = None
        self.sock.close()
        if (sock := self.client.socket()) is not None:
            sock.close()


@pytest.fixture(params=["tcp", "tcp+tls", "websockets", "websockets+tls"])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    if request.param.endswith("tls") and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    made = Peer(tmp_path, request.param)
    yield made
    made.close()


def test_messages_in_pieces_of_any_size_arrive_whole_and_in_order(peer: Peer, publish: Any) -> None:
    expected = [(b"a/%d" % n, b"x" * (n * 7 % 300), n, 2) for n in range(1, 300)]
    wire = b"\xd0\x00".join(publish(*m) for m in expected)
    for size in (1, 2, 3, 50, 1_000, 20_000):
        peer.lists.clear()
        part = wire[: min(len(wire), size * 400)]
        whole = sum(
            1
            for n in range(len(expected))
            if len(b"\xd0\x00".join(publish(*m) for m in expected[: n + 1])) <= len(part)
        )
        peer.send([part[i : i + size] for i in range(0, len(part), size)])
        peer.read_until(lambda whole=whole: len(peer.messages) >= whole)
        assert peer.messages == expected[:whole]
        rest = wire[len(part) :]
        if rest:
            peer.send([rest[i : i + 40_000] for i in range(0, len(rest), 40_000)])
            peer.read_until(lambda: len(peer.messages) >= len(expected))
        assert peer.messages == expected


def test_many_records_are_handed_over_as_few_lists(peer: Peer, publish: Any) -> None:
    packet = publish(b"a/b", b"21.5", 7, 2)
    peer.send([packet] * 500)
    peer.read_until(lambda: len(peer.messages) == 500)
    assert len(peer.lists) < 250


def test_what_came_before_the_end_of_the_connection_is_handed_over(peer: Peer, publish: Any) -> None:
    peer.send([publish(b"a/b", b"last", 7, 2)])
    peer.sock.shutdown(socket.SHUT_RDWR)

    def ended() -> bool:
        peer.client.loop_read()
        return peer.client.socket() is None

    wait_until(ended, WAIT_S, "the end to be noticed")
    assert peer.messages == [(b"a/b", b"last", 7, 2)]


def test_a_websocket_ping_between_messages_is_answered(tmp_path: Path, publish: Any) -> None:
    peer = Peer(tmp_path, "websockets")
    peer.send([publish(b"a", b"1", 1, 2)])
    peer.sock.sendall(frame(b"?", opcode=9))
    peer.send([publish(b"b", b"2", 2, 2)])
    peer.read_until(lambda: len(peer.messages) == 2)
    heard = b""
    while b"?" not in heard:
        heard += peer.sock.recv(1000)
    assert heard.endswith(b"\x8a\x01?")
    peer.close()


@pytest.mark.parametrize("bulk_read", [True, False])
def test_the_setting_chooses_the_reader(bulk_read: bool) -> None:
    link = MqttLink(MqttSettings(bulk_read=bulk_read), client_id="test", clean_session=True)
    assert link._client._reads_in_bulk is bulk_read
