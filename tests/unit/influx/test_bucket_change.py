"""INFLUXDB_V2_BUCKET is changed: what waits goes where it was meant to go, and the new bucket is met without prejudice."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.support.fake_influx import OK, FakeInflux, Reply, Write

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.local import MIGRATIONS
from sensorline.stores.influxdb.writer import InfluxWriter
from sensorline.stores.opening import open_dead_letters
from sensorline.stores.sqlite import schema

T0_NS = 1_790_000_000 * 10**9
DESK = Series("desk", "temperature")
NO = Reply(500, "no", keeps=False)
FORBIDDEN = Reply(403, "forbidden", keeps=False)
DEADLINE_S = 20.0


@pytest.fixture
def fake() -> Iterator[FakeInflux]:
    server = FakeInflux()
    yield server
    server.close()


def writer_of(fake: FakeInflux, folder: Path, bucket: str) -> InfluxWriter:
    settings = fake.settings(bucket=bucket)
    return InfluxWriter(settings, StoreSettings(path=folder / "store.db"))


def batch(*numbers: int) -> Batch:
    return Batch.of(
        [Reading(DESK, T0_NS + i, float(i)) for i in numbers], receipts=[Receipt(i + 1, i) for i in numbers]
    )


def deliver(writer: InfluxWriter, given: Batch) -> None:
    writer.commit(given)
    writer.drain(DEADLINE_S)


def line(i: int) -> bytes:
    return b"temperature,device=desk value=%d.0 %d" % (i, T0_NS + i)


def kept(fake: FakeInflux, bucket: str) -> set[bytes]:
    return {line for where, line in fake.stored if where == bucket}


def fill_and_leave_pending(fake: FakeInflux, folder: Path) -> None:
    fake.behaviour = lambda _: NO
    writer = writer_of(fake, folder, "old")
    writer.commit(batch(0, 1))
    with pytest.raises(StoreUnavailable):
        writer.drain(DEADLINE_S)
    writer.close()
    fake.behaviour = lambda _: OK


def test_a_pending_batch_goes_to_the_bucket_for_which_it_was_written_and_that_is_told(
    fake: FakeInflux, tmp_path: Path
) -> None:
    fill_and_leave_pending(fake, tmp_path)
    with capture_logs() as told:
        writer = writer_of(fake, tmp_path, "new")
    (said,) = told
    assert (said["event"], said["log_level"]) == ("bucket_changed", "warning")
    assert (said["before"], said["now"], said["readings_pending"]) == ("old", "new", 2)
    # What the broker sends again is recognised, whichever bucket it went to.
    assert list(writer.receipts()) == [Receipt(1, 0), Receipt(2, 1)]
    deliver(writer, batch(2))
    writer.close()
    assert kept(fake, "old") == {line(0), line(1)}
    assert kept(fake, "new") == {line(2)}
    with capture_logs() as told:
        writer_of(fake, tmp_path, "new").close()
    assert told == [], "it is told once"


def test_while_the_old_bucket_refuses_nothing_goes_to_the_new_one_and_nothing_is_lost(
    fake: FakeInflux, tmp_path: Path
) -> None:
    fill_and_leave_pending(fake, tmp_path)
    fake.writes.clear()

    def only_new(write: Write) -> Reply:
        return FORBIDDEN if write.bucket.startswith("old") else OK

    def only_old(write: Write) -> Reply:
        return FORBIDDEN if write.bucket.startswith("new") else OK

    fake.behaviour = only_new
    writer = writer_of(fake, tmp_path, "new")
    writer.commit(batch(2))
    with pytest.raises(StoreUnavailable, match=r"a write to old_1h with 403"):
        writer.drain(DEADLINE_S)
    assert {write.bucket for write in fake.writes} == {"old_1h"}
    assert writer.backlog().readings == 3
    # The way back, as docs/operations.md has it: bucket and token of before, until nothing waits for that bucket.
    writer.close()
    fake.behaviour = only_old
    writer = writer_of(fake, tmp_path, "old")
    with pytest.raises(StoreUnavailable, match=r"a write to new_1h with 403"):
        writer.drain(DEADLINE_S)
    writer.close()
    assert kept(fake, "old") == {line(0), line(1)}
    fake.behaviour = only_new
    fake.writes.clear()
    writer = writer_of(fake, tmp_path, "new")
    writer.drain(DEADLINE_S)
    writer.close()
    assert {write.bucket for write in fake.writes} == {"new", "new_1h"}
    assert kept(fake, "new") == {line(2)}
    assert writer_of(fake, tmp_path, "new").state().readings == 3


def test_after_a_stop_in_order_nothing_is_sent_to_the_old_bucket_again(
    fake: FakeInflux, tmp_path: Path
) -> None:
    writer = writer_of(fake, tmp_path, "old")
    deliver(writer, batch(0, 1))
    writer.close()
    fake.writes.clear()
    writer = writer_of(fake, tmp_path, "new")
    deliver(writer, batch(2))
    writer.close()
    assert {write.bucket for write in fake.writes} == {"new", "new_1h"}


def test_a_reading_that_the_old_bucket_refuses_becomes_a_dead_letter(
    fake: FakeInflux, tmp_path: Path
) -> None:
    fill_and_leave_pending(fake, tmp_path)
    fake.behaviour = lambda write: (
        Reply(400, "unable to parse", keeps=False) if write.bucket == "old" and line(1) in write.lines else OK
    )
    writer = writer_of(fake, tmp_path, "new")
    deliver(writer, batch(2))
    writer.close()
    settings = fake.settings()
    letters = open_dead_letters(StoreSettings(path=tmp_path / "store.db"), settings).list(10)
    assert [(letter.payload, letter.reason) for letter in letters] == [(line(1), "store_refused")]
    assert kept(fake, "old") == {line(0)}


def test_nothing_of_the_old_bucket_is_rolled_up_in_the_new_one(fake: FakeInflux, tmp_path: Path) -> None:
    writer = writer_of(fake, tmp_path, "old")
    deliver(writer, batch(0, 1))
    writer.close()
    writer = writer_of(fake, tmp_path, "new")
    while writer.step(T0_NS + 10**12, DEADLINE_S):
        pass
    assert writer.waiting_windows == 0
    assert list(writer.series()) == []
    writer.close()
    assert [kept(fake, bucket) for bucket in ("new", "new_1m", "new_1h")] == [set(), set(), set()]


def test_what_is_committed_while_the_old_bucket_still_waits_is_the_first_of_the_new_one(
    fake: FakeInflux, tmp_path: Path
) -> None:
    """The same series, also late and repeated: what the old bucket has says nothing of the new one. Facts go with the readings."""
    fake.behaviour = lambda _: NO
    writer = writer_of(fake, tmp_path, "old")
    given = batch(0, 1)
    given.facts = [DeviceFacts("desk", name="Before")]
    writer.commit(given)
    writer.close()
    for _ in range(2):
        # A restart in between changes nothing.
        writer = writer_of(fake, tmp_path, "new")
        news = Batch.of(facts=[DeviceFacts("desk", name="Now"), DeviceFacts("hall", name="Hall")])
        writer.commit(news)
        assert writer.commit(batch(0, 2)).undecided == 2
        writer.close()
    fake.writes.clear()
    fake.behaviour = lambda _: OK
    writer = writer_of(fake, tmp_path, "new")
    writer.drain(DEADLINE_S)
    assert writer.backlog().readings == 0
    settled = writer.settled()
    assert (settled.repeated, settled.repeats) == (2, {"desk": 2})
    assert writer.settled().repeats == {}
    assert list(writer.series()) == [DESK]
    sent = [write.bucket for write in fake.writes]
    assert sent == ["old_state", "old_1h", "old", "new_state", "new_1h", "new"]
    assert kept(fake, "old") == {line(0), line(1)}
    assert kept(fake, "new") == {line(0), line(2)}
    hall = {bucket for bucket, text in fake.stored if b"Hall" in text}
    assert hall == {"new_state"}
    # By now the new bucket is known.
    assert writer.commit(batch(1_000)).stored == 1
    writer.drain(DEADLINE_S)
    writer.close()
    assert kept(fake, "new") == {line(0), line(2), line(1_000)}


@pytest.mark.parametrize("versions", [1, 2, 3])
def test_what_an_earlier_version_left_pending_goes_to_its_bucket(
    fake: FakeInflux, tmp_path: Path, versions: int
) -> None:
    db = schema.open_writer(tmp_path / "store.influxdb.db", MIGRATIONS[:versions])
    db.execute("INSERT INTO series VALUES (1, 'desk', 'temperature', ?, ?, 1.0)", (T0_NS, T0_NS + 1))
    db.execute("INSERT INTO border VALUES ('adopted', 1)")
    db.execute("INSERT INTO dirty_minute VALUES (?, 1)", (T0_NS // 10**9 // 60 * 60,))
    if versions > 1:
        db.execute("INSERT INTO bucket VALUES ('old')")
    db.execute("INSERT INTO pending (bucket, lines) VALUES ('old', ?)", (line(0) + b"\n" + line(1) + b"\n",))
    db.close()
    writer = writer_of(fake, tmp_path, "new")
    deliver(writer, batch(2))
    # The first version does not say which bucket it is about: it is taken to be the one of now.
    while writer.step(T0_NS + 10**12, DEADLINE_S):
        pass
    assert writer.waiting_windows == 0
    writer.close()
    assert kept(fake, "old") == {line(0), line(1)}
    assert kept(fake, "new") == {line(2)}


@pytest.mark.parametrize("seed", range(4))
def test_each_reading_is_in_the_bucket_for_which_it_was_committed_whatever_happens(
    fake: FakeInflux, tmp_path: Path, seed: int
) -> None:
    """Bucket after bucket, and back; some of them refuse for a while; stops in order, and kills."""
    rng = random.Random(seed)
    meant: dict[str, set[bytes]] = {name: set() for name in ("a", "b", "c")}
    broken: set[str] = set()
    fake.behaviour = lambda write: NO if write.bucket[0] in broken and rng.random() < 0.9 else OK
    folder, number = tmp_path, 0
    for life in range(12):
        broken = set(rng.sample("abc", rng.choice([0, 1, 2])))
        bucket = rng.choice("abc")
        writer = writer_of(fake, folder, bucket)
        for _ in range(rng.randrange(4)):
            numbers = [number * 2, number * 2 + 1][: rng.choice([1, 2])]
            number += 1
            writer.commit(batch(*numbers))
            meant[bucket] |= {line(i) for i in numbers}
        if rng.random() < 0.3:
            broken = set()
            writer.drain(DEADLINE_S)
        if rng.random() < 0.5:
            after = folder / f"{life}"
            after.mkdir()
            with writer._file.lock:
                for path in folder.glob("store.influxdb.db*"):
                    shutil.copy(path, after)
            folder = after
        writer.close()
    broken = set()
    writer = writer_of(fake, folder, "a")
    writer.drain(DEADLINE_S)
    assert {name: kept(fake, name) for name in meant} == meant
    writer.settled()
    assert writer.state().readings == sum(map(len, meant.values()))
    assert writer.backlog().readings == 0
    writer.close()
