"""The links do what the schedule says: a fault that never happened would prove nothing."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import Protocol

import pytest
from tests.chaos.links import HALF_OPEN, LATENCY, TRICKLE, WELL, Link, Wires
from tests.chaos.store_link import StoreLink
from tests.support.fake_influx import FakeInflux
from tests.support.waiting import wait_until


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    @staticmethod
    def _answer(sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(65_536):
                    sock.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


class Dial(Protocol):
    def __call__(self) -> socket.socket: ...


@pytest.fixture
def wires() -> Iterator[Wires]:
    wires = Wires()
    yield wires
    wires.close()


@pytest.fixture
def link(wires: Wires) -> Iterator[Link]:
    echo = Echo()
    link = Link(wires, echo.port)
    yield link
    link.close()
    echo.close()


@pytest.fixture
def dial(link: Link) -> Iterator[Dial]:
    sockets: list[socket.socket] = []

    def connect() -> socket.socket:
        sockets.append(socket.create_connection(("127.0.0.1", link.port), timeout=5))
        return sockets[-1]

    yield connect
    for sock in sockets:
        sock.close()


def echoed(sock: socket.socket, data: bytes) -> float:
    """Send, check that the same comes back, and return the seconds until then."""
    begun_s = time.monotonic()
    sock.sendall(data)
    back = b""
    while len(back) < len(data):
        back += sock.recv(65_536)
    assert back == data
    return time.monotonic() - begun_s


def test_a_link_that_is_well_passes_everything_on(dial: Dial) -> None:
    echoed(dial(), bytes(range(256)) * 4_000)


def test_a_reset_is_one_and_the_next_connection_is_well(link: Link, dial: Dial) -> None:
    sock = dial()
    echoed(sock, b"before")
    assert link.reset() == 1
    with pytest.raises(ConnectionResetError):
        sock.recv(1)
    echoed(dial(), b"after")


def test_a_half_open_connection_is_never_heard_of_again(link: Link, dial: Dial) -> None:
    before = dial()
    echoed(before, b"before")
    link.set(HALF_OPEN)
    during = dial()
    # The kernel accepts by itself; the link has to have seen it, too.
    wait_until(lambda: link.open_count == 2, 5, "the link to see the connection")
    link.set(WELL)
    for sock in (before, during):
        sock.sendall(b"nobody gets this")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    echoed(dial(), b"after")


@pytest.mark.parametrize(("mode", "least_s"), [(LATENCY, 0.4), (TRICKLE, 0.2)])
def test_a_slow_link_is_slow_and_loses_nothing(link: Link, dial: Dial, mode: object, least_s: float) -> None:
    assert mode in (LATENCY, TRICKLE)
    sock = dial()
    link.set(LATENCY if mode == LATENCY else TRICKLE)
    assert echoed(sock, b"x" * 500) > least_s
    link.set(WELL)
    echoed(sock, b"y" * 100_000)


@pytest.fixture
def influx() -> Iterator[FakeInflux]:
    fake = FakeInflux()
    yield fake
    fake.close()


@pytest.fixture
def store_link(wires: Wires, influx: FakeInflux) -> Iterator[StoreLink]:
    link = StoreLink(wires, int(influx.settings().url.rpartition(":")[2]))
    yield link
    link.close()


def write(connection: http.client.HTTPConnection, line: bytes) -> tuple[int, str | None]:
    connection.request("POST", "/api/v2/write?bucket=b", line)
    reply = connection.getresponse()
    reply.read()
    return reply.status, reply.getheader("Retry-After")


def test_a_lost_reply_is_lost_after_the_store_has_the_lines(
    store_link: StoreLink, influx: FakeInflux
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", store_link.port, timeout=5)
    assert write(connection, b"m value=1 1")[0] == 204
    store_link.trouble.replies_to_lose = 1
    with pytest.raises(ConnectionError):
        write(connection, b"m value=2 2")
    assert influx.raw().keys() == {b"m value=1 1", b"m value=2 2"}
    connection.close()
    assert write(connection, b"m value=3 3")[0] == 204
    connection.close()


def test_an_answer_of_ours_is_given_and_the_store_sees_nothing(
    store_link: StoreLink, influx: FakeInflux
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", store_link.port, timeout=5)
    store_link.trouble.answer = "503 retry-after 1"
    assert write(connection, b"m value=1 1" * 20_000) == (503, "1")
    assert write(connection, b"m value=2 2") == (503, "1")
    assert influx.raw() == {}
    store_link.trouble.end()
    assert write(connection, b"m value=3 3") == (204, None)
    assert influx.raw().keys() == {b"m value=3 3"}
    connection.close()
