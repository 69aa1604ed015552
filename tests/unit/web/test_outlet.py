"""The outlet over real TCP: frames whole and in order whatever the client does, and never more than one waiting."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.waiting import stays_true, wait_until
from tests.support.websocket_wire import CLOSE, PING, TEXT, Frames

from sensorline_web.live.liveframe import LiveFrame
from sensorline_web.live.outlet import Outlet

PING_FRAME = b"\x89\x01p"
CLOSE_FRAME = b"\x88\x02\x03\xe8"
BIG = "x" * 400_000


class Pair:
    """An outlet, and the client at the other end of its connection."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.socket()
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024)
            self.client.connect(listener.getsockname())
            self.server, _ = listener.accept()
        self.server.settimeout(10)
        self.outlet = Outlet(self.server, 0.0)
        self._frames = Frames()
        self.heard: list[Any] = []

    def offer(self, number: int, *, text: str = "", now_s: float = 0.0) -> bool:
        return self.outlet.offer(LiveFrame(number, [[text, "m", [number], [1.0], 1]]), now_s)

    def read(self, timeout_s: float = 0.2) -> bool:
        """Read what is there; False when nothing came."""
        self.client.settimeout(timeout_s)
        try:
            data = self.client.recv(1 << 20)
        except TimeoutError:
            return False
        self.heard += self._frames.feed(data)
        return bool(data)

    def read_all(self) -> None:
        """Read as long as something comes, with the server catching up meanwhile."""
        while self.read() or self.outlet.is_behind:
            self.outlet.catch_up(0.0)

    def live(self) -> list[tuple[int, bool]]:
        """Return number and mark of the live frames heard."""
        found = [json.loads(f.payload[12:])[1] for f in self.heard if f.opcode == TEXT]
        return [(frame["t"], frame.get("missed", False)) for frame in found]

    def end(self) -> None:
        self.client.close()
        self.outlet.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.end()


def test_a_client_that_reads_gets_every_frame(pair: Pair) -> None:
    for number in range(100):
        assert pair.offer(number) is False
        pair.read()
    assert pair.live() == [(number, False) for number in range(100)]
    assert pair.outlet.skipped == 0


def test_the_rest_of_a_begun_frame_goes_before_anything_else(pair: Pair) -> None:
    assert pair.offer(1, text=BIG) is True
    library = threading.Thread(target=pair.outlet.sendall, args=(PING_FRAME,))
    library.start()
    while pair.read():
        pass
    library.join(5)
    assert not library.is_alive()
    assert [frame.opcode for frame in pair.heard] == [TEXT, PING]
    assert pair.live() == [(1, False)]


def test_a_slow_reader_gets_the_newest_state_and_is_told_of_the_gap(pair: Pair) -> None:
    for number in range(10):
        pair.offer(number, text=BIG)
    pair.read_all()
    assert pair.live() == [(0, False), (9, True)]
    assert pair.outlet.skipped == 8
    assert pair.offer(10) is False
    pair.read_all()
    assert pair.live()[-1] == (10, False)


def test_a_frame_that_waited_and_was_not_replaced_is_no_gap(pair: Pair) -> None:
    for number in range(2):
        pair.offer(number, text=BIG)
    pair.read_all()
    assert pair.live() == [(0, False), (1, False)]


def test_what_waits_is_bounded_however_long_nobody_reads(pair: Pair) -> None:
    for number in range(1000):
        pair.offer(number, text=BIG)
    waiting = pair.outlet._next
    assert waiting is not None
    assert len(pair.outlet._rest) < len(waiting.wire)
    assert pair.outlet.skipped == 998


def test_the_kernel_keeps_no_queue_of_small_frames_for_a_client_that_does_not_read(pair: Pair) -> None:
    # Without a limit it is several megabytes: minutes of frames that nobody needs any more.
    sent = next(number for number in range(100_000) if pair.offer(number, text="x" * 500))
    assert sent * 600 < 400_000


def test_what_is_posted_is_never_left_out_and_goes_before_the_frame_that_waits(pair: Pair) -> None:
    posted = [LiveFrame(number, []).wire for number in range(100, 150)]
    pair.offer(0, text=BIG)
    pair.offer(1)
    for message in posted:
        assert pair.outlet.post(message, 0.0) is True
    assert pair.outlet.posted_bytes > sum(map(len, posted))
    pair.offer(2)
    pair.read_all()
    assert pair.live() == [(0, False), *((number, False) for number in range(100, 150)), (2, True)]
    assert pair.outlet.posted_bytes == 0


def test_an_offer_does_not_wait_for_a_library_that_does(pair: Pair) -> None:
    pair.offer(1, text=BIG)
    library = threading.Thread(target=pair.outlet.sendall, args=(PING_FRAME,))
    library.start()
    wait_until(pair.outlet._lock.locked, 5, "the library to wait for the client")
    for number in (2, 3):
        assert pair.offer(number) is True
    stays_true(library.is_alive, 0.2, "the library waits")
    pair.read_all()
    library.join(5)
    pair.read_all()
    assert [frame.opcode for frame in pair.heard] == [TEXT, PING, TEXT]
    assert pair.live() == [(1, False), (3, True)]


def test_two_writers_never_get_into_each_others_frames(pair: Pair) -> None:
    def write_pings() -> None:
        for _ in range(300):
            pair.outlet.sendall(PING_FRAME)

    library = threading.Thread(target=write_pings)
    reader = threading.Thread(target=lambda: [None for _ in iter(lambda: pair.read(1.0), False)])
    library.start()
    reader.start()
    for number in range(300):
        pair.offer(number, text="y" * (number * 97 % 30_000))
    while library.is_alive() or pair.outlet.is_behind:
        pair.outlet.catch_up(0.0)
    library.join(5)
    reader.join(10)
    numbers = [number for number, _ in pair.live()]
    assert sum(frame.opcode == PING for frame in pair.heard) == 300
    assert numbers == sorted(numbers)
    assert numbers[-1] == 299
    assert len(numbers) + pair.outlet.skipped == 300
    assert pair._frames.rest == b""


def test_a_client_that_takes_nothing_is_known_to_have_stalled(pair: Pair) -> None:
    pair.offer(1, text=BIG, now_s=100.0)
    pair.offer(2, now_s=104.0)
    assert pair.outlet.stalled_s(107.0) == 7.0
    while pair.read():
        pass
    pair.outlet.catch_up(108.0)
    assert pair.outlet.stalled_s(109.0) <= 1.0
    pair.read_all()
    assert pair.outlet.stalled_s(500.0) == 0.0


def test_what_the_library_got_through_counts_as_taken(pair: Pair) -> None:
    pair.offer(1, text=BIG, now_s=100.0)
    library = threading.Thread(target=pair.outlet.sendall, args=(PING_FRAME,))
    library.start()
    wait_until(pair.outlet._lock.locked, 5, "the library to wait for the client")
    pair.offer(2, now_s=104.0)
    assert pair.outlet.stalled_s(109.0) == 5.0
    while pair.read():
        pass
    library.join(5)
    assert pair.outlet.stalled_s(110.0) == 0.0
    assert pair.outlet.stalled_s(113.0) == 3.0


def test_a_cut_wakes_whoever_waits_for_the_client(pair: Pair) -> None:
    errors: list[OSError] = []

    def write() -> None:
        try:
            pair.outlet.sendall(PING_FRAME)
        except OSError as exc:
            errors.append(exc)

    pair.offer(1, text=BIG)
    library = threading.Thread(target=write)
    library.start()
    wait_until(pair.outlet._lock.locked, 5, "the library to wait for the client")
    pair.outlet.cut()
    library.join(5)
    assert len(errors) == 1
    assert pair.outlet.is_behind is False
    assert pair.outlet.recv(1) == b""


def test_a_client_that_has_gone_is_no_error_and_nothing_waits_for_it(pair: Pair) -> None:
    pair.offer(1, text=BIG)
    pair.client.close()
    wait_until(lambda: not pair.offer(2), 5, "the connection to be known as ended")
    assert pair.outlet.is_behind is False


def test_after_the_closing_frame_nothing_follows(pair: Pair) -> None:
    pair.outlet.sendall(CLOSE_FRAME)
    assert pair.offer(1) is False
    pair.read_all()
    assert [frame.opcode for frame in pair.heard] == [CLOSE]


def test_after_a_write_that_failed_half_way_nothing_follows(pair: Pair) -> None:
    pair.server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        pair.outlet.sendall(b"\x82\x7f" + (1 << 22).to_bytes(8, "big") + bytes(1 << 22))
    assert pair.offer(1) is False


def test_an_outlet_that_ended_leaves_the_descriptor_to_its_owner(pair: Pair) -> None:
    pair.outlet.end()
    assert pair.offer(1) is False
    pair.outlet.sendall(CLOSE_FRAME)
    pair.read()
    assert [frame.opcode for frame in pair.heard] == [CLOSE]
