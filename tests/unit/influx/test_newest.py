"""A long backlog: what is newest is visible at once, and history follows in its order."""

import re
from pathlib import Path

import pytest
from tests.support.fake_influx import OK, FakeInflux, Reply, Write
from tests.unit.influx.conftest import MakeWriter
from tests.unit.influx.test_delivery import DEADLINE_S, T0_NS, batch, deliver, line

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.delivery import LINES_PER_REQUEST
from sensorline.stores.influxdb.outbox import LONG_READINGS
from sensorline.stores.influxdb.writer import InfluxWriter

ATTIC = Series("attic", "door")
BATCHES, SIZE = 12, 2_000
LATEST = re.compile(rb"latest,device=(\w+),metric=\w+ ns=(-?\d+)i,value=(\S+) 0")


def away(fake: FakeInflux) -> None:
    fake.behaviour = lambda _: Reply(503, "no", keeps=False)


def commit_backlog(writer: InfluxWriter) -> None:
    """Commit many readings of one series, and one of a second series in the middle of them."""
    for i in range(BATCHES):
        writer.commit(batch(SIZE, first=1 + i * SIZE))
        if i == BATCHES // 2:
            writer.commit(Batch.of([Reading(ATTIC, T0_NS + 7, 7.5)]))


def told(writes: list[Write]) -> list[tuple[int, bytes, int, float]]:
    """Return what readers were told is newest: the request's number, device, time and value."""
    return [
        (i, match[1], int(match[2]), float(match[3]))
        for i, write in enumerate(writes)
        for text in write.lines
        if (match := LATEST.match(text))
    ]


def raw_requests(fake: FakeInflux) -> list[int]:
    return [i for i, write in enumerate(fake.writes) if write.bucket == "b"]


def test_a_long_backlog_is_a_backlog_of_more_than_one_request() -> None:
    assert LONG_READINGS == LINES_PER_REQUEST


def test_the_newest_of_every_series_is_told_before_most_of_the_backlog_which_keeps_its_order(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    """F10: catching up does not delay what is newest."""
    writer = make_writer()
    deliver(writer, batch(1))
    away(fake)
    commit_backlog(writer)
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    writer.drain(DEADLINE_S)
    last = BATCHES * SIZE
    (desk, attic) = told(fake.writes)
    assert desk[1:] == (b"desk", T0_NS + last, float(last))
    assert attic[1:] == (b"attic", T0_NS + 7, 7.5)
    requests = raw_requests(fake)
    assert desk[0] == attic[0]
    assert len(requests) > 4
    # One request of readings has shown that InfluxDB is back.
    assert requests[0] < desk[0] < requests[1]
    sent = [text for write in fake.writes if write.bucket == "b" for text in write.lines]
    assert [text for text in sent if b"desk" in text] == [line(i) for i in range(1, last + 1)]
    assert len(sent) == last + 1
    writer.settled()
    assert writer.state().readings == last + 2


def test_a_restart_knows_what_is_newest(fake: FakeInflux, make_writer: MakeWriter) -> None:
    away(fake)
    commit_backlog(make_writer())
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    make_writer().drain(DEADLINE_S)
    assert {device for _, device, *_ in told(fake.writes)} == {b"desk", b"attic"}
    assert len(fake.raw()) == BATCHES * SIZE + 1


def test_what_was_told_is_never_replaced_by_something_older(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    """Readings of more than a day ago have lines of their own of what is newest, as they are delivered."""
    writer = make_writer()
    deliver(writer, batch(1))
    # Two months later: what is older than a day is no longer looked for among the readings.
    later_ns = T0_NS + 60 * 86_400 * 10**9
    while writer.step(later_ns, DEADLINE_S):
        pass
    away(fake)
    commit_backlog(writer)
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    writer.drain(DEADLINE_S)
    while writer.step(later_ns + 86_400 * 10**9, DEADLINE_S):
        pass
    for device in (b"desk", b"attic"):
        times_ns = [time_ns for _, name, time_ns, _ in told(fake.writes) if name == device]
        assert times_ns == sorted(times_ns)
        assert times_ns


def test_what_could_not_be_told_is_told_later_and_delays_nothing(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    writer = make_writer()
    deliver(writer, batch(1))
    away(fake)
    commit_backlog(writer)
    fake.behaviour = lambda write: Reply(503, "state", keeps=False) if LATEST.match(write.lines[0]) else OK
    with pytest.raises(StoreUnavailable, match="state"):
        writer.drain(DEADLINE_S)
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    writer.drain(DEADLINE_S)
    assert {device for _, device, *_ in told(fake.writes)} == {b"desk", b"attic"}
    assert len(fake.raw()) == BATCHES * SIZE + 2


def test_what_is_newest_in_one_bucket_is_not_told_in_another(fake: FakeInflux, tmp_path: Path) -> None:
    store = StoreSettings(path=tmp_path / "store.db")
    writer = InfluxWriter(fake.settings(), store)
    away(fake)
    commit_backlog(writer)
    writer.close()
    writer = InfluxWriter(fake.settings(bucket="c"), store)
    for i in range(BATCHES, BATCHES + 4):
        writer.commit(batch(SIZE, first=1 + i * SIZE))
    fake.behaviour = lambda _: OK
    fake.writes.clear()
    writer.drain(DEADLINE_S)
    writer.close()
    newest = {write.bucket for write in fake.writes if any(map(LATEST.match, write.lines))}
    assert newest <= {"c_state"}
    assert all(time_ns > T0_NS + BATCHES * SIZE for _, _, time_ns, _ in told(fake.writes))
    assert len(fake.raw()) == BATCHES * SIZE + 1
    assert sum(bucket == "c" for bucket, _ in fake.stored) == 4 * SIZE
