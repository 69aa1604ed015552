"""What our own encoding broke is not sent for ever: a line on which the server fails, and compression that nobody understands."""

from collections.abc import Iterator

import pytest
from tests.support.fake_influx import OK, FakeInflux, Reply, Write
from tests.unit.influx.test_delivery import line

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import BROKEN_S, BROKEN_TRIES, Delivery

BAD = line(3)
BODY = b"".join(line(i) + b"\n" for i in range(1, 8))
BROKEN = Reply(500, "internal error", keeps=False)


class Bench:
    """A delivery whose clock stands until the test moves it."""

    def __init__(self, fake: FakeInflux) -> None:
        self.now_s = 1_000.0
        self.connection = Connection(fake.settings())
        self.delivery = Delivery(self.connection, clock_s=lambda: self.now_s, readings_bucket="b")

    def stored_before(self) -> None:
        """Let one line be stored, so that there is one which is known to be good."""
        assert self.delivery.send("b", line(0) + b"\n") == []

    def fails(self) -> None:
        """Check that the body is held."""
        with pytest.raises(StoreUnavailable, match="500"):
            self.delivery.send("b", BODY)


@pytest.fixture
def bench(fake: FakeInflux) -> Iterator[Bench]:
    made = Bench(fake)
    yield made
    made.connection.close()


def test_a_line_that_breaks_the_server_holds_the_others_for_a_minute_and_not_for_ever(
    fake: FakeInflux, bench: Bench
) -> None:
    """F13: 500 to the same bytes, again and again."""
    bench.stored_before()
    fake.behaviour = lambda write: BROKEN if BAD in write.lines else OK
    bench.fails()
    bench.now_s += BROKEN_S - 1
    bench.fails()
    assert set(fake.writes[1:]) == {Write("b", tuple(BODY.splitlines()))}, "until then the same bytes"
    bench.now_s += 1
    (refused,) = bench.delivery.send("b", BODY)
    assert (refused.line, refused.why) == (BAD, "internal error")
    assert fake.raw() == {line(i): 1 for i in range(8) if i != 3}
    assert sum(write.lines == (BAD,) for write in fake.writes) == BROKEN_TRIES


def test_a_server_in_trouble_is_not_taken_for_a_bad_line(fake: FakeInflux, bench: Bench) -> None:
    bench.stored_before()
    fake.behaviour = lambda _: BROKEN
    for _ in range(5):
        bench.fails()
        bench.now_s += BROKEN_S
    fake.behaviour = lambda _: OK
    assert bench.delivery.send("b", BODY) == []


def test_trouble_during_the_search_drops_nothing(fake: FakeInflux, bench: Bench) -> None:
    """The line would be taken by itself; the server fails and recovers at every instant of the search."""
    bench.stored_before()
    for failing in range(1, 12):
        asked = 0

        def behave(write: Write, failing: int = failing) -> Reply:
            nonlocal asked
            asked += 1
            return BROKEN if asked == failing or (len(write.lines) > 1 and BAD in write.lines) else OK

        fake.behaviour = behave
        refused = None
        while refused is None:
            try:
                refused = bench.delivery.send("b", BODY)
            except StoreUnavailable:
                bench.now_s += BROKEN_S
        assert refused == []
        assert set(fake.raw()) == {line(i) for i in range(8)}


def test_without_a_line_that_is_known_to_be_good_nothing_is_given_up(fake: FakeInflux, bench: Bench) -> None:
    fake.behaviour = lambda write: BROKEN if BAD in write.lines else OK
    for _ in range(3):
        bench.fails()
        bench.now_s += BROKEN_S


@pytest.mark.parametrize("status", [415, 500])
def test_lines_go_as_they_are_to_a_server_that_does_not_take_them_compressed(
    fake: FakeInflux, bench: Bench, status: int
) -> None:
    """F13: what we compressed is answered with an error."""
    bench.connection.compresses = True
    magic = b"\x1f\x8b"
    fake.behaviour = lambda _: Reply(status, "gzip", keeps=False) if fake.bodies[-1][:2] == magic else OK
    assert bench.delivery.send("b", BODY) == []
    assert bench.delivery.send("b", line(0) + b"\n") == []
    assert [body[:2] == magic for body in fake.bodies] == [True, False, False]
    assert fake.raw() == {line(i): 1 for i in range(8)}


def test_trouble_with_and_without_compression_changes_nothing(fake: FakeInflux, bench: Bench) -> None:
    bench.connection.compresses = True
    fake.behaviour = lambda _: BROKEN
    bench.fails()
    fake.behaviour = lambda _: OK
    assert bench.delivery.send("b", BODY) == []
    assert fake.headers[-1].get("Content-Encoding") == "gzip"
