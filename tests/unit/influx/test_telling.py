"""Events and accounts on their way to InfluxDB, and tracking's notes beside it: nothing is lost by a kill or an absence."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.support.fake_influx import OK, FakeInflux, Reply
from tests.unit.influx.conftest import MakeWriter
from tests.unit.influx.test_delivery import DEADLINE_S, T0_NS, batch

from sensorline.errors import StoreUnavailable
from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb import points
from sensorline.stores.influxdb.outbox import Outbox
from sensorline.stores.influxdb.writer import InfluxWriter

STATE = "b_state"


def hole(number: int, count: int = 3, device: str = "desk") -> Event:
    return Event(f"missing:{number}", EventKind.MISSING, device, T0_NS + number, T0_NS + number + 9, count)


def told(fake: FakeInflux) -> list[bytes]:
    """Return the events and accounts that were sent, in order."""
    lines = [line for write in fake.writes if write.bucket == STATE for line in write.lines]
    return [line + b"\n" for line in lines if line.startswith((b"event", b"account"))]


def away(fake: FakeInflux) -> None:
    fake.behaviour = lambda _: Reply(500, "no", keeps=False)


def killed(folder: Path, fake: FakeInflux, name: str = "killed") -> Callable[..., InfluxWriter]:
    """Copy what a kill would leave on the disk just now; return a function that opens it."""
    copy = folder / name
    copy.mkdir()
    for path in folder.glob("store.influxdb.db*"):
        shutil.copy(path, copy)
    return lambda: InfluxWriter(fake.settings(), StoreSettings(path=copy / "store.db"))


def test_the_newest_word_of_each_is_told_in_order(fake: FakeInflux, make_writer: MakeWriter) -> None:
    away(fake)
    writer = make_writer()
    for count in (3, 2, 1):
        writer.commit(Batch(events=[hole(1, count)], accounts=[Account("desk", received=count)]))
        writer.commit(batch(1, first=count))
    writer.commit(Batch(events=[hole(2), hole(3)]))
    writer.commit(Batch(events=[hole(2, 0)]))
    with pytest.raises(StoreUnavailable):
        writer.drain(DEADLINE_S)
    fake.writes.clear()
    fake.behaviour = lambda _: OK
    writer.drain(DEADLINE_S)
    # Perhaps the first attempt has taken earlier words with it: the last one of each counts.
    newest = {line.rsplit(b" ", 1)[1] + line.split(b",")[0]: line for line in told(fake)}
    assert sorted(newest.values()) == sorted(
        [
            points.event_line(hole(1, 1)),
            points.account_line(Account("desk", received=1)),
            points.event_gone_line("missing:2", "desk"),
            points.event_line(hole(3)),
        ]
    )


def test_what_was_not_told_is_told_after_a_kill_and_what_was_told_is_not_told_again(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path
) -> None:
    away(fake)
    writer = make_writer()
    writer.commit(Batch(events=[hole(i) for i in range(2_500)], accounts=[Account("desk"), Account("hall")]))
    again = killed(tmp_path, fake)()
    fake.writes.clear()
    fake.behaviour = lambda _: OK
    again.drain(DEADLINE_S)
    expected = {points.event_line(hole(i)) for i in range(2_500)}
    expected |= {points.account_line(Account(device)) for device in ("desk", "hall")}
    assert expected <= set(told(fake))
    again.close()
    fake.writes.clear()
    again = InfluxWriter(fake.settings(), StoreSettings(path=tmp_path / "killed" / "store.db"))
    again.drain(DEADLINE_S)
    assert not {line for line in told(fake) if b"hall" in line}
    # And what comes then is news.
    again.commit(Batch(accounts=[Account("hall", received=1)]))
    again.drain(DEADLINE_S)
    assert points.account_line(Account("hall", received=1)) in told(fake)
    again.close()


def test_open_events_and_accounts_are_known_here_while_influxdb_is_away(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    away(fake)
    silence = Event("silent", EventKind.SILENT, "desk", T0_NS, None)
    make_writer().commit(Batch(events=[silence, hole(1)], accounts=[Account("desk", received=7)]))
    writer = make_writer()
    assert writer.open_events() == [silence]
    assert writer.accounts() == [Account("desk", received=7)]


def test_the_times_of_events_lie_in_one_shard_and_depend_on_their_ids_only() -> None:
    times = {
        int(points.event_line(hole(i, device=d)).rsplit(b" ", 1)[1]) for i in range(1_000) for d in ("", "a")
    }
    assert len(times) == 1_000
    # Four days: 1970-01-01 was a Thursday, and shards of a week begin on Mondays.
    assert 0 <= min(times) < max(times) < 4 * 86_400 * 10**9


class Tracking:
    """Its state is how many commits there were."""

    def __init__(self, writer: InfluxWriter) -> None:
        self.writer = writer
        state, notes = writer.recall()
        self.snapshot = int(state or b"0")
        self.count = self.snapshot
        for note in notes:
            self.count += 1
            assert int(note.split(b" ")[0]) == self.count
        self.notes = len(notes)
        writer.keep(lambda: b"%d" % self.count)

    def commit(self, readings: Batch, size: int = 0) -> None:
        readings.notes = b"%d " % (self.count + 1) + msgspec.json.encode(
            list(range(self.count, self.count + size))
        )
        self.writer.commit(readings)
        self.count += 1


def test_notes_outlive_the_delivery_of_their_readings_and_turns_of_the_ring(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer()
    tracking = Tracking(writer)
    # How far it has come is noted each time, so that nothing but the notes keeps entries from being written over.
    monkeypatch.setattr("sensorline.stores.influxdb.forwarder.SAVE_INTERVAL_S", 0.0)
    for i in range(150):
        carrier = batch(5, first=i * 5)
        carrier.packet_ids, carrier.digests = [], []
        tracking.commit(carrier, size=10_000)
        if i % 10 == 9:
            writer.drain(DEADLINE_S)
        if i == 75:
            writer.maintain(time.time_ns())
            again = killed(tmp_path, fake)()
            assert (Tracking(again).count, Tracking(again).snapshot) == (76, 0)
            again.close()
            monkeypatch.setattr("sensorline.stores.influxdb.writer.SNAPSHOT_BYTES", 0)
            writer.maintain(time.time_ns())
            monkeypatch.setattr("sensorline.stores.influxdb.writer.SNAPSHOT_BYTES", 10**9)
    again = killed(tmp_path, fake, "later")()
    kept = Tracking(again)
    assert (kept.count, kept.snapshot, kept.notes) == (150, 76, 74)
    again.close()


def test_a_snapshot_lets_the_ring_turn(
    fake: FakeInflux, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorline.stores.influxdb.forwarder.SAVE_INTERVAL_S", 0.0)
    monkeypatch.setattr("sensorline.stores.influxdb.writer.SNAPSHOT_BYTES", 300_000)
    writer = make_writer()
    tracking = Tracking(writer)
    outbox: Outbox = writer._outbox
    for i in range(150):
        carrier = batch(5, first=i * 5)
        carrier.packet_ids, carrier.digests = [], []
        tracking.commit(carrier, size=10_000)
        writer.drain(DEADLINE_S)
        writer.maintain(0)
    assert len(outbox._journal._ring) < 12
    assert Tracking(make_writer()).count == 150
