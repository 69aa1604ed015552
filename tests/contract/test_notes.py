"""Tracking's notes: durable with their commit, and the last snapshot takes the place of those before it."""

import random
from typing import Any

import pytest

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Receipt

HOUR_NS = 3600 * 10**9


class Tracking:
    """Counts commits: its state is how many there were, and each note is the number of its commit."""

    def __init__(self, store: Any) -> None:
        self.store = store
        state, notes = store.writer.recall()
        self.count = int(state or b"0")
        for note in notes:
            assert int(note.split(b" ")[0]) == self.count + 1
            self.count += 1
        self.recalled = (state, notes)
        self.asked = 0
        store.writer.keep(self.snapshot)

    def snapshot(self) -> bytes:
        self.asked += 1
        return b"%d" % self.count

    def commit(self, batch: Batch, padding: bytes = b"") -> None:
        batch.notes = b"%d %b" % (self.count + 1, padding)
        self.store.writer.commit(batch)
        self.count += 1


def test_notes_come_back_in_their_order(store: Any, batch: Any) -> None:
    assert store.writer.recall() == (b"", [])
    notes = [b"first", b"\x00" * 1_000, bytes(range(256)), b"4"]
    store.writer.commit(Batch(notes=notes[0]))
    for i, note in enumerate(notes[1:]):
        carrier = batch.readings((i, 1.0))
        carrier.notes = note
        store.writer.commit(carrier)
        store.writer.commit(batch.receipts((i + 1, i)))
    for _ in range(2):
        assert store.writer.recall() == (b"", notes)
        store.reopen()
    assert len(list(store.reader.export(batch.desk, 0, 2**62))) == 3
    assert store.writer.receipts() == [Receipt(i + 1, i) for i in range(3)]


def test_a_close_saves_a_snapshot(store: Any, batch: Any) -> None:
    tracking = Tracking(store)
    for i in range(3):
        tracking.commit(batch.readings((i, 1.0)))
    assert tracking.asked == 0
    store.reopen()
    tracking = Tracking(store)
    assert tracking.recalled == (b"3", [])
    tracking.commit(batch.readings((7, 1.0)))
    store.reopen()
    assert Tracking(store).recalled == (b"4", [])


def test_notes_of_before_this_start_are_covered_too(store: Any, batch: Any) -> None:
    store.writer.commit(Batch(notes=b"1 "))
    store.reopen()
    assert Tracking(store).recalled == (b"", [b"1 "])
    store.reopen()
    tracking = Tracking(store)
    assert tracking.recalled == (b"1", [])
    store.reopen()
    assert tracking.asked == 0, "nothing was committed since"


def test_a_close_without_news_asks_for_none(store: Any, batch: Any) -> None:
    tracking = Tracking(store)
    store.writer.commit(batch.readings((0, 1.0)))
    store.reopen()
    assert tracking.asked == 0
    assert Tracking(store).recalled == (b"", [])


def test_no_snapshot_is_taken_while_a_commit_has_failed(store: Any, batch: Any) -> None:
    tracking = Tracking(store)
    tracking.commit(batch.readings((0, 1.0)))
    store.fill_disk()
    failed = batch.readings(*((i, float(i)) for i in range(2_000)))
    # As tracking does that has counted a batch before it is durable.
    tracking.count += 1
    failed.notes = b"2 " + random.Random(2).randbytes(400_000)
    with pytest.raises(StoreUnavailable):
        store.writer.commit(failed)
    store.free_disk()
    store.writer.maintain(batch.t0_ns + HOUR_NS)
    store.reopen()
    assert tracking.asked == 0
    assert Tracking(store).recalled == (b"", [b"1 "])
