"""What waits in the journal: it survives a kill, is bounded, and is delivered once and in its order."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.fake_influx import OK, FakeInflux, Reply
from tests.support.waiting import wait_until
from tests.unit.influx.conftest import MakeWriter
from tests.unit.influx.test_delivery import DEADLINE_S, DESK, T0_NS, batch, line

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, DeadLetter, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.local import MIGRATIONS
from sensorline.stores.influxdb.writer import InfluxWriter
from sensorline.stores.journal.table import SEGMENT_BYTES
from sensorline.stores.sqlite import schema


def away(fake: FakeInflux) -> None:
    fake.behaviour = lambda _: Reply(500, "no", keeps=False)


def back(fake: FakeInflux) -> None:
    fake.behaviour = lambda _: OK
    fake.writes.clear()


def killed(folder: Path, fake: FakeInflux, name: str = "killed") -> Callable[..., InfluxWriter]:
    """Copy what a kill would leave on the disk just now; return a function that opens it."""
    copy = folder / name
    copy.mkdir()
    for path in folder.glob("store.influxdb.db*"):
        shutil.copy(path, copy)
    return lambda: InfluxWriter(fake.settings(), StoreSettings(path=copy / "store.db"))


def test_a_commit_does_not_wait_for_influxdb_and_survives_a_kill(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path
) -> None:
    away(fake)
    writer = make_writer()
    for i in range(4):
        writer.commit(batch(3, first=i * 3))
    again = killed(tmp_path, fake)()
    assert list(again.receipts()) == [Receipt(i * 3 + 1, i * 3 + 77) for i in range(4)]
    assert again.backlog().readings == 12
    back(fake)
    again.drain(DEADLINE_S)
    assert fake.raw() == {line(i): 1 for i in range(12)}
    again.settled()
    assert again.state().readings == 12
    again.close()


def test_readings_are_delivered_in_the_order_in_which_they_were_committed_however_many_wait(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    """More than is handed over in memory: the forwarder reads the journal, and then goes over to memory again."""
    writer = make_writer()
    away(fake)
    for i in range(300):
        writer.commit(batch(2, first=i * 2))
    back(fake)
    for i in range(300, 400):
        writer.commit(batch(2, first=i * 2))
    writer.drain(DEADLINE_S)
    sent = [text for write in fake.writes if write.bucket == "b" for text in write.lines]
    assert sent == [line(i) for i in range(800)]
    assert writer.backlog().readings == 0
    assert writer.backlog().bytes == 0


def test_nothing_is_left_out_while_the_forwarder_reads_and_the_ring_turns(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    """The forwarder is now slower, now faster than the commits, so that it goes between memory and the journal."""
    writer = make_writer()
    rng = random.Random(20261121)
    fake.behaviour = lambda _: Reply(delay_s=rng.choice([0.0, 0.0, 0.01, 0.1]))
    expected = []
    for i in range(1_500):
        values = [rng.random() for _ in range(rng.choice([1, 30, 300]))]
        first = len(expected)
        writer.commit(Batch.of([Reading(DESK, T0_NS + first + j, v) for j, v in enumerate(values)]))
        expected += values
        if i % 300 == 299:
            writer.drain(DEADLINE_S)
    writer.drain(DEADLINE_S)
    sent = [text for write in fake.writes if write.bucket == "b" for text in write.lines]
    found = [text.removeprefix(b"temperature,device=desk value=").split(b" ") for text in sent]
    assert [(float(v), int(t)) for v, t in found] == [(v, T0_NS + i) for i, v in enumerate(expected)]
    assert writer.backlog().readings == 0


def test_what_a_kill_sends_again_is_the_same_and_is_counted_once(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path
) -> None:
    writer = make_writer()
    for i in range(3):
        writer.commit(batch(3, first=i * 3))
    writer.drain(DEADLINE_S)
    # How far it has come is written down later: this copy knows of the commits, not of their delivery.
    again = killed(tmp_path, fake)()
    again.drain(DEADLINE_S)
    assert fake.raw() == {line(i): 1 for i in range(9)}
    again.settled()
    assert again.state().readings == 9
    again.close()


def test_counts_are_exact_for_new_readings_at_once_and_for_others_when_they_are_delivered(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    writer = make_writer()
    # Nobody has looked yet what the bucket holds.
    assert writer.commit(batch(3)) == Committed(0, 0, 0, undecided=3)
    writer.drain(DEADLINE_S)
    settled = writer.settled()
    assert (settled.stored, settled.repeated, settled.shifted) == (3, 0, 0)
    away(fake)
    assert writer.commit(batch(3, first=3)) == Committed(3, 0, 0)
    late = Batch.of([Reading(DESK, T0_NS + 2, 99.0), Reading(DESK, T0_NS + 9, 9.0)])
    assert writer.commit(late) == Committed(1, 0, 0, undecided=1)
    assert writer.state().readings == 7
    back(fake)
    writer.drain(DEADLINE_S)
    assert writer.settled().stored == 1
    assert writer.settled().stored == 0
    assert writer.state().readings == 8


def test_what_was_decided_between_a_start_and_the_first_question_is_counted_once(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    away(fake)
    make_writer().commit(batch(3))
    back(fake)
    writer = make_writer()
    writer.drain(DEADLINE_S)
    before = writer.state().readings
    settled = writer.settled()
    assert before + settled.stored == writer.state().readings == 3
    fake.behaviour = lambda write: Reply(422, "no", keeps=False) if line(50) in write.lines else OK
    writer.commit(batch(1, first=50))
    writer.drain(DEADLINE_S)
    state = writer.state()
    settled = writer.settled()
    assert (state.readings, state.dead_letters, settled.refused) == (4, 0, 1)
    assert (writer.state().readings, writer.state().dead_letters) == (3, 1)


def test_a_full_journal_takes_no_more_and_says_so_and_goes_on_when_it_was_delivered(
    fake: FakeInflux, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = StoreSettings(path=tmp_path / "store.db", journal_max_mb=0.02)
    writer = InfluxWriter(fake.settings(), store)
    away(fake)
    held = 0
    problem = ""
    while not problem:
        try:
            writer.commit(batch(50, first=held))
        except StoreUnavailable as exc:
            problem = str(exc)
        else:
            held += 50
    assert "STORE_JOURNAL_MAX_MB" in problem
    assert 0.8 < writer.backlog().fullness < 1
    assert writer.backlog().readings == held
    assert "journal_nearly_full" in capsys.readouterr().out
    # Rejects and facts alone need no room in it.
    writer.commit(Batch.of(dead_letters=[DeadLetter("x", b"?", "value_null", "why", T0_NS)]))
    back(fake)
    writer.drain(DEADLINE_S)
    # These were given before: whether they are new is left to the delivery.
    assert writer.commit(batch(50, first=held)).undecided == 50
    writer.drain(DEADLINE_S)
    writer.settled()
    assert writer.state().readings == held + 50
    assert fake.raw() == {line(i): 1 for i in range(held + 50)}
    assert "journal_has_room_again" in capsys.readouterr().out
    writer.close()


def test_the_age_of_what_waits_is_known_also_when_influxdb_was_never_there(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    away(fake)
    writer = make_writer()
    assert writer.backlog().oldest_s == 0
    writer.commit(batch(3))
    wait_until(lambda: writer.backlog().oldest_s > 0.01, 5, "an age")
    writer.commit(batch(3, first=3))
    before_s = writer.backlog().oldest_s
    writer = make_writer()
    assert writer.backlog().oldest_s > before_s
    back(fake)
    writer.drain(DEADLINE_S)
    assert writer.backlog().oldest_s == 0


def test_a_full_journal_takes_no_more_of_the_disk_than_it_may(fake: FakeInflux, tmp_path: Path) -> None:
    max_bytes = 3 * 10**6
    writer = InfluxWriter(fake.settings(), StoreSettings(path=tmp_path / "store.db", journal_max_mb=3))
    away(fake)
    rng = random.Random(1)

    def fill() -> None:
        problem = ""
        while not problem:
            first = writer.backlog().readings
            values = [Reading(DESK, T0_NS + first + i, rng.random()) for i in range(1_000)]
            try:
                writer.commit(Batch.of(values))
            except StoreUnavailable as exc:
                problem = str(exc)
        assert "is full" in problem

    def disk_bytes() -> int:
        return sum(path.stat().st_size for path in tmp_path.glob("store.influxdb.db*"))

    fill()
    assert writer.backlog().bytes <= max_bytes
    full_bytes = disk_bytes()
    # A segment that is begun, the tables beside it, and SQLite's log, which is taken over after 4 MB.
    assert full_bytes < max_bytes + SEGMENT_BYTES + 6 * 10**6
    for _ in range(20):
        fill()
    assert disk_bytes() == full_bytes
    writer.close()
    assert disk_bytes() < max_bytes + 2 * SEGMENT_BYTES


def test_the_journal_does_not_grow_while_influxdb_is_there(fake: FakeInflux, make_writer: MakeWriter) -> None:
    writer = make_writer()
    sizes: list[tuple[int]] = []
    for i in range(60):
        for j in range(20):
            writer.commit(
                Batch.of([Reading(DESK, T0_NS + (i * 20 + j) * 1_000 + k, k / 7) for k in range(500)])
            )
        writer.drain(DEADLINE_S)
        writer._forwarder.save(at_once=True)
        sizes += writer._file.rows("PRAGMA page_count")
    assert sizes[-1] == sizes[30], sizes


@pytest.mark.parametrize("versions", [1, 2, 3])
def test_the_parcel_of_an_earlier_version_is_delivered_and_its_receipts_are_known(
    fake: FakeInflux, tmp_path: Path, versions: int
) -> None:
    """A file of the version before the journal: one batch, encoded, whose delivery was not confirmed."""
    path = tmp_path / "store.influxdb.db"
    db = schema.open_writer(path, MIGRATIONS[:versions])
    db.execute("INSERT INTO series VALUES (1, 'desk', 'temperature', ?, ?, 2.0)", (T0_NS, T0_NS + 2))
    db.execute("INSERT INTO border VALUES ('adopted', 1)")
    db.execute(
        "INSERT INTO receipts (n, packed) VALUES (2, ?)",
        (bytes([0, 5]) + bytes(7) + b"\x07" + bytes([0, 6]) + bytes(7) + b"\x08",),
    )
    db.execute("UPDATE counter SET n = 3 WHERE name = 'readings'")
    lines = b"".join(line(i) + b"\n" for i in range(3))
    db.execute("INSERT INTO pending (bucket, lines) VALUES ('b', ?)", (lines,))
    db.execute("INSERT INTO dirty_minute VALUES (?, 1)", (T0_NS // 10**9 // 60 * 60,))
    db.close()
    away(fake)
    writer = InfluxWriter(fake.settings(), StoreSettings(path=tmp_path / "store.db"))
    assert list(writer.receipts()) == [Receipt(5, 7), Receipt(6, 8)]
    assert (writer.state().readings, writer.state().dirty_windows) == (3, 1)
    writer.commit(batch(2, first=3))
    assert list(writer.receipts()) == [Receipt(5, 7), Receipt(6, 8), Receipt(4, 80)]
    back(fake)
    writer.drain(DEADLINE_S)
    sent = [text for write in fake.writes if write.bucket == "b" for text in write.lines]
    assert sent == [line(i) for i in range(5)]
    session = batch(1, first=5)
    session.begins_session = True
    writer.commit(session)
    assert list(writer.receipts()) == [Receipt(6, 82)]
    writer.close()


def test_a_name_that_influxdb_cannot_hold_leaves_nothing_of_its_batch(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    good = Reading(Series("new", "t"), T0_NS, 1.0)
    writer = make_writer()
    with pytest.raises(StoreUnavailable, match="cannot store the name"):
        writer.commit(Batch.of([good, Reading(Series("new", "a\nb"), T0_NS, 1.0)]))
    assert list(writer.series()) == []
    writer.commit(Batch.of([good]))
    writer = make_writer()
    writer.drain(DEADLINE_S)
    assert list(fake.raw()) == [b"t,device=new value=1.0 %d" % T0_NS]


def test_facts_that_were_not_delivered_are_after_a_restart(fake: FakeInflux, make_writer: MakeWriter) -> None:
    away(fake)
    make_writer().commit(Batch.of(facts=[DeviceFacts("desk", name="Desk")]))
    back(fake)
    make_writer().drain(DEADLINE_S)
    (write,) = fake.writes
    assert (write.bucket, b'"name\\":\\"Desk\\"' in write.lines[0]) == ("b_state", True)
    fake.writes.clear()
    make_writer().drain(DEADLINE_S)
    assert fake.writes == []


@pytest.mark.parametrize("damaged", [0, 1, 2])
@pytest.mark.parametrize("place", ["head", "body"])
def test_a_damaged_entry_is_told_of_and_the_others_are_delivered(
    fake: FakeInflux, tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: int, place: str
) -> None:
    settings, store = fake.settings(), StoreSettings(path=tmp_path / "store.db")
    away(fake)
    writer = InfluxWriter(settings, store)
    sizes = [0]
    for i in range(3):
        writer.commit(Batch.of([Reading(Series("desk", f"m{i}"), T0_NS, 1.5)]))
        sizes.append(writer.backlog().bytes)
    writer.close()
    db = sqlite3.connect(tmp_path / "store.influxdb.db")
    with db.blobopen("journal", "entries", 1) as blob:
        blob.seek(sizes[damaged] + 4 if place == "head" else sizes[damaged + 1] - 1)
        blob.write(b"\xaa")
    db.commit()
    db.close()
    back(fake)
    writer = InfluxWriter(settings, store)
    writer.drain(DEADLINE_S)
    # Nothing shows that there was one more when the last one's head is gone.
    assert ("journal_entries_damaged" in capsys.readouterr().out) == ((place, damaged) != ("head", 2))
    assert {text.split(b",")[0] for text in fake.raw()} == {b"m0", b"m1", b"m2"} - {b"m%d" % damaged}
    writer.commit(Batch.of([Reading(Series("desk", "after"), T0_NS, 1.5)]))
    writer.drain(DEADLINE_S)
    assert any(text.startswith(b"after") for text in fake.raw())
    writer.close()
