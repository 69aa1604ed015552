"""A broker of a few lines: it says what a test tells it to say, byte by byte."""

import select
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sensorline.mqtt.arrivals import RawMessage
from sensorline.mqtt.bulk import BulkClient

CONNACK = b"\x20\x02\x00\x00"
PIECE_BYTES = 60_000
"""What fits into the socket's buffer while nobody reads."""


def remaining_length(size: int) -> bytes:
    """MQTT 3.1.1, section 2.2.3."""
    out = bytearray()
    while True:
        size, digit = divmod(size, 128)
        out.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(out)


def publish_packet(topic: bytes, payload: bytes, packet_id: int, flags: int) -> bytes:
    """A PUBLISH packet (section 3.3); the QoS is in the flags."""
    body = len(topic).to_bytes(2, "big") + topic
    if flags & 0x06:
        body += packet_id.to_bytes(2, "big")
    body += payload
    return bytes([0x30 | flags]) + remaining_length(len(body)) + body


class Talk:
    """One client with one connection to the broker of the test."""

    def __init__(self, folder: Path, in_bulk: bool = True) -> None:
        self.lists: list[list[RawMessage]] = []
        self.singles: list[Any] = []
        self.ends: list[Any] = []
        # A Unix socket has what was sent ready for the reader at once: so every piece is read by itself.
        self._path = str(folder / "broker")
        self._listener = socket.create_server(self._path, family=socket.AF_UNIX)
        self.client = BulkClient(self.lists.append, client_id="test", clean_session=True, transport="unix")
        self.client._reads_in_bulk = in_bulk
        self.client.on_message = lambda client, userdata, message: self.singles.append(message)
        self.client.on_disconnect = lambda client, userdata, flags, reason, props: self.ends.append(reason)
        self.broker: socket.socket | None = None
        self.connect()

    def connect(self) -> None:
        """Connect, again too; the broker's CONNACK is read."""
        if self.broker is not None:
            self.broker.close()
        self.client.connect(self._path)
        self.broker, _ = self._listener.accept()
        self.broker.settimeout(5)
        assert self.broker.recv(1000)[0] == 0x10
        self.say([CONNACK])
        assert self.client.is_connected()

    @property
    def messages(self) -> list[RawMessage]:
        """Everything that arrived in lists."""
        return [message for messages in self.lists for message in messages]

    def say(self, pieces: Sequence[bytes]) -> None:
        """Send each piece and let the client read it before the next one, as slow networks do."""
        assert self.broker is not None
        for piece in pieces:
            for i in range(0, len(piece), PIECE_BYTES):
                if self.client.socket() is None:
                    return
                self.broker.sendall(piece[i : i + PIECE_BYTES])
                self._read()

    def _read(self) -> None:
        while (sock := self.client.socket()) is not None and select.select([sock], [], [], 0)[0]:
            self.client.loop_read()

    def hears(self) -> bytes:
        """What the client has sent, to its end if it has hung up."""
        assert self.broker is not None
        out = b""
        while True:
            if self.client.want_write():
                self.client.loop_write()
            if not select.select([self.broker], [], [], 0)[0]:
                return out
            data = self.broker.recv(65_536)
            if not data:
                return out
            out += data

    def close(self) -> None:
        """Hang up on both sides."""
        self.client.on_disconnect = None
        self.client.disconnect()
        self.client.loop_misc()
        if self.broker is not None:
            self.broker.close()
        if (sock := self.client.socket()) is not None:
            sock.close()
        self._listener.close()


@pytest.fixture
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A client that is connected to a broker of the test."""
    made = Talk(tmp_path_factory.mktemp("bulk"))
    yield made
    made.close()


@pytest.fixture
def single_talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """The same with paho's own reader."""
    made = Talk(tmp_path_factory.mktemp("single"), in_bulk=False)
    yield made
    made.close()


@pytest.fixture(scope="session")
def publish() -> Any:
    """The function that makes a PUBLISH packet."""
    return publish_packet
