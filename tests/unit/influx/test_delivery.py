"""Every answer that InfluxDB can give to a write, and every way in which an answer can be missing: commits go on meanwhile."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from tests.support.fake_influx import LOST, OK, FakeInflux, Reply, Write
from tests.unit.influx.conftest import MakeWriter

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import LINES_PER_REQUEST, Delivery
from sensorline.stores.influxdb.writer import InfluxWriter
from sensorline.stores.opening import open_dead_letters

T0_NS = 1_790_000_000 * 10**9
DESK = Series("desk", "temperature")
DEADLINE_S = 20.0


def batch(n: int = 3, first: int = 0) -> Batch:
    return Batch.of(
        [Reading(DESK, T0_NS + i, float(i)) for i in range(first, first + n)],
        facts=[DeviceFacts("desk", name=f"Desk {first}")],
        receipts=[Receipt(first + 1, first + 77)],
    )


def line(i: int) -> bytes:
    return b"temperature,device=desk value=%d.0 %d" % (i, T0_NS + i)


def deliver(writer: InfluxWriter, given: Batch) -> None:
    writer.commit(given)
    writer.drain(DEADLINE_S)


def test_a_batch_is_one_request_to_each_bucket_and_the_readings_go_last(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    deliver(make_writer(), batch())
    assert [write.bucket for write in fake.writes] == ["b_state", "b_1h", "b"]
    assert fake.writes[-1].lines == (line(0), line(1), line(2))


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 499, 500, 502, 503, 504, 507])
def test_what_is_no_refusal_of_a_line_is_held_and_sent_again_as_it_was(
    fake: FakeInflux, make_writer: MakeWriter, status: int
) -> None:
    """F13: unknown whether it was stored, or a person has to mend it."""
    writer = make_writer()
    fake.behaviour = lambda _: Reply(status, "not now", keeps=False)
    writer.commit(batch(3))
    for i in range(2):
        with pytest.raises(StoreUnavailable, match=f"{status}.*not now"):
            writer.drain(DEADLINE_S)
        # Commits go on meanwhile.
        writer.commit(batch(1, first=3 + i))
    assert len({write for write in fake.writes if write.bucket == "b_state"}) == 1
    assert writer.backlog().readings == 5
    assert str(status) in writer.backlog().problem
    fake.behaviour = lambda _: OK
    writer.drain(DEADLINE_S)
    assert fake.raw() == {line(i): 1 for i in range(5)}
    assert writer.backlog().readings == 0


@pytest.mark.parametrize(("status", "hint"), [(401, "TOKEN"), (403, "influx setup"), (404, "BUCKET")])
def test_what_a_person_must_mend_says_what(
    fake: FakeInflux, make_writer: MakeWriter, status: int, hint: str
) -> None:
    fake.behaviour = lambda _: Reply(status, "no", keeps=False)
    with pytest.raises(StoreUnavailable, match=hint):
        deliver(make_writer(), batch())


@pytest.mark.parametrize(
    ("status", "message"), [(400, "unable to parse 'x'"), (422, "partial write: type conflict")]
)
@pytest.mark.parametrize("bad", [{0}, {6}, {3, 4}, set(range(7))])
def test_refused_lines_become_dead_letters_and_the_others_are_stored(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path, status: int, message: str, bad: set[int]
) -> None:
    """F13: 400 and 422."""
    bad_lines = {line(i) for i in bad}

    def refuse(write: Write) -> Reply:
        if bad_lines.isdisjoint(write.lines):
            return OK
        # A 422 may say anything about what was stored: here nothing, so that only a resend can store the good ones.
        return Reply(status, message, keeps=False)

    fake.behaviour = refuse
    writer = make_writer()
    deliver(writer, batch(7))
    assert fake.raw() == {line(i): 1 for i in range(7) if i not in bad}
    assert writer.settled().refused == len(bad)
    # A restart finds them counted and kept, and does not refuse them once more.
    for _ in range(2):
        letters = open_dead_letters(StoreSettings(path=tmp_path / "store.db"), fake.settings()).list(100)
        assert sorted(letter.payload for letter in letters) == sorted(bad_lines)
        assert {(d.reason, d.detail, d.topic) for d in letters} == {
            ("store_refused", message, "sensors/desk/temperature")
        }
        assert (writer.state().readings, writer.state().dead_letters) == (7 - len(bad), len(bad))
        writer = make_writer()
        writer.drain(DEADLINE_S)


def test_a_bad_request_that_is_not_about_a_line_is_held(fake: FakeInflux, make_writer: MakeWriter) -> None:
    writer = make_writer()
    deliver(writer, batch(1))
    fake.behaviour = lambda _: Reply(400, "invalid precision", keeps=False)
    with pytest.raises(StoreUnavailable, match="invalid precision"):
        deliver(writer, batch(1, first=1))
    assert writer.state().dead_letters == 0


def test_one_line_is_not_held_for_ever_when_others_are_taken(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    """Whatever we have encoded wrongly, and whatever it is called: a line that was stored before shows whose fault it is."""
    writer = make_writer()
    deliver(writer, batch(1))
    fake.behaviour = lambda write: Reply(400, "what?", keeps=False) if line(2) in write.lines else OK
    deliver(writer, batch(2, first=1))
    assert fake.raw() == {line(i): 1 for i in range(2)}
    writer.settled()
    assert writer.state().dead_letters == 1


def test_trouble_while_the_bad_line_is_sought_drops_nothing(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path
) -> None:
    asked = 0

    def refuse(write: Write) -> Reply:
        nonlocal asked
        if write.bucket != "b":
            return OK
        asked += 1
        if asked == 5:
            return Reply(500, "disk", keeps=False)
        return Reply(400, "unable to parse", keeps=False) if line(2) in write.lines else OK

    fake.behaviour = refuse
    writer = make_writer()
    with pytest.raises(StoreUnavailable):
        deliver(writer, batch(7))
    writer.drain(DEADLINE_S)
    assert fake.raw() == {line(i): 1 for i in range(7) if i != 2}
    letters = open_dead_letters(StoreSettings(path=tmp_path / "store.db"), fake.settings()).list(100)
    assert [letter.payload for letter in letters] == [line(2)]


def test_too_large_a_request_is_halved_until_it_fits(fake: FakeInflux, make_writer: MakeWriter) -> None:
    """F13: 413."""
    fake.behaviour = lambda write: OK if len(write.lines) <= 10 else Reply(413, "too large", keeps=False)
    deliver(make_writer(), batch(100))
    assert fake.raw() == {line(i): 1 for i in range(100)}


def test_a_request_is_never_longer_than_the_cap(fake: FakeInflux, make_writer: MakeWriter) -> None:
    deliver(make_writer(), batch(2 * LINES_PER_REQUEST + 1))
    assert [len(w.lines) for w in fake.writes if w.bucket == "b"] == [LINES_PER_REQUEST, LINES_PER_REQUEST, 1]
    assert len(fake.raw()) == 2 * LINES_PER_REQUEST + 1


def test_entries_that_fit_share_a_request_and_none_is_divided(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    writer = make_writer()
    deliver(writer, batch(1))
    fake.behaviour = lambda _: Reply(503, "no", keeps=False)
    sizes = [LINES_PER_REQUEST // 2, LINES_PER_REQUEST // 3, LINES_PER_REQUEST // 2, 7]
    first = 1
    for size in sizes:
        writer.commit(batch(size, first))
        first += size
    with pytest.raises(StoreUnavailable):
        writer.drain(DEADLINE_S)
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    writer.drain(DEADLINE_S)
    requests = [len(w.lines) for w in fake.writes if w.bucket == "b"]
    borders = [0]
    for size in sizes:
        borders.append(borders[-1] + size)
    at = 0
    for request in requests:
        at += request
        assert at in borders, requests
    assert at == sum(sizes)
    assert len(requests) < len(sizes)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(fake: FakeInflux, status: int) -> None:
    """F13: 429 and 503."""
    now_s = 1_000.0
    connection = Connection(fake.settings())
    delivery = Delivery(connection, clock_s=lambda: now_s)
    fake.behaviour = lambda _: Reply(status, "busy", keeps=False, retry_after="7")
    with pytest.raises(StoreUnavailable):
        delivery.send("b", line(0) + b"\n")
    fake.behaviour = lambda _: OK
    now_s += 6.5
    with pytest.raises(StoreUnavailable, match="asked to wait"):
        delivery.send("b", line(0) + b"\n")
    assert len(fake.writes) == 1
    now_s += 1
    assert delivery.send("b", line(0) + b"\n") == []
    connection.close()


def test_retry_after_may_be_a_date(fake: FakeInflux) -> None:
    """F13: RFC 9110, section 10.2.3: a proxy before InfluxDB may say it so."""
    now_s = 1_000.0
    connection = Connection(fake.settings())
    delivery = Delivery(connection, clock_s=lambda: now_s)
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    fake.behaviour = lambda _: Reply(503, "busy", keeps=False, retry_after=at)
    with pytest.raises(StoreUnavailable, match="503"):
        delivery.send("b", line(0) + b"\n")
    fake.behaviour = lambda _: OK
    now_s += 20
    with pytest.raises(StoreUnavailable, match="asked to wait"):
        delivery.send("b", line(0) + b"\n")
    now_s += 11
    assert delivery.send("b", line(0) + b"\n") == []
    connection.close()


@pytest.mark.parametrize("lost", ["b_state", "b_1h", "b"])
def test_a_lost_reply_leads_to_the_same_bytes_again(
    fake: FakeInflux, make_writer: MakeWriter, lost: str
) -> None:
    """F14: and F13, a connection that ends behind the body."""
    fake.behaviour = lambda write: LOST if write.bucket == lost else OK
    writer = make_writer()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        deliver(writer, batch())
    first = {w for w in fake.writes if w.bucket == lost}
    fake.behaviour = lambda _: OK
    writer.drain(DEADLINE_S)
    assert {w for w in fake.writes if w.bucket == lost} == first
    assert len(first) == 1
    assert fake.raw() == {line(i): 1 for i in range(3)}


def test_a_slow_reply_is_given_up_and_sent_again(fake: FakeInflux, make_writer: MakeWriter) -> None:
    """F13: a slow 204."""
    fake.behaviour = lambda _: Reply(delay_s=0.5)
    writer = make_writer(timeout_ms=100)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        deliver(writer, batch())
    fake.behaviour = lambda _: OK
    writer.drain(DEADLINE_S)
    assert fake.raw() == {line(i): 1 for i in range(3)}


def test_facts_are_sent_only_when_they_changed(fake: FakeInflux, make_writer: MakeWriter) -> None:
    writer = make_writer()
    for first in (0, 3):
        given = batch(3, first)
        given.facts = [DeviceFacts("desk", name="Desk")]
        deliver(writer, given)
    assert [w.bucket for w in fake.writes].count("b_state") == 1
    deliver(writer, Batch.of(facts=[DeviceFacts("desk", name="Other")]))
    assert [w.bucket for w in fake.writes].count("b_state") == 2
