"""What a commit promises: whole, durable, and the same however often it is given."""

from typing import Any

import pytest

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, DeadLetter, DeviceFacts, Reading, Receipt, Series, Status

SECOND_NS = 10**9


def stored(store: Any, series: Series) -> list[tuple[int, float]]:
    return list(store.reader.export(series, 0, 2**62))


def test_what_was_committed_is_there_after_a_restart(store: Any, batch: Any) -> None:
    assert store.writer.commit(batch.readings((0, 21.5), (SECOND_NS, 21.6))) == Committed(2, 0, 0)
    store.reopen()
    assert stored(store, batch.desk) == [(batch.t0_ns, 21.5), (batch.t0_ns + SECOND_NS, 21.6)]
    assert store.writer.state().readings == 2


def test_the_same_value_at_the_same_time_is_stored_once(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 21.5)))
    assert store.writer.commit(batch.readings((0, 21.5))) == Committed(0, 1, 0)
    store.reopen()
    assert store.writer.commit(batch.readings((0, 21.5), (0, 21.5))) == Committed(0, 2, 0)
    assert stored(store, batch.desk) == [(batch.t0_ns, 21.5)]
    assert store.writer.state().readings == 1


def test_the_same_value_twice_in_one_batch_is_stored_once(store: Any, batch: Any) -> None:
    assert store.writer.commit(batch.readings((0, 21.5), (0, 21.5))) == Committed(1, 1, 0)


def test_another_value_at_a_taken_time_is_kept_one_nanosecond_later(store: Any, batch: Any) -> None:
    assert store.writer.commit(batch.readings((0, 1.0), (0, 2.0))) == Committed(2, 0, 1)
    assert store.writer.commit(batch.readings((0, 3.0))) == Committed(1, 0, 1)
    assert stored(store, batch.desk) == [(batch.t0_ns + i, i + 1.0) for i in range(3)]
    assert store.writer.commit(batch.readings((0, 3.0), (0, 2.0), (0, 1.0))) == Committed(0, 3, 0)


def test_a_shifted_reading_moves_past_a_reading_that_is_already_there(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 1.0), (1, 2.0), (3, 4.0)))
    assert store.writer.commit(batch.readings((0, 3.0))) == Committed(1, 0, 1)
    # The gap is closed now: the next one goes behind all four.
    assert store.writer.commit(batch.readings((0, 5.0))) == Committed(1, 0, 1)
    assert stored(store, batch.desk) == [
        (batch.t0_ns + i, v) for i, v in enumerate((1.0, 2.0, 3.0, 4.0, 5.0))
    ]


def test_two_series_may_have_readings_at_the_same_time(store: Any, batch: Any) -> None:
    other = Series("desk", "humidity")
    both = [Reading(batch.desk, batch.t0_ns, 1.0), Reading(other, batch.t0_ns, 2.0)]
    assert store.writer.commit(Batch.of(both)) == Committed(2, 0, 0)
    assert stored(store, other) == [(batch.t0_ns, 2.0)]


@pytest.mark.timeout(10)
def test_ten_thousand_values_of_one_millisecond_are_all_stored_and_all_repeated(
    store: Any, batch: Any
) -> None:
    burst = batch.readings(*((0, float(i)) for i in range(10_000)))
    assert store.writer.commit(burst) == Committed(10_000, 0, 9_999)
    assert store.writer.commit(burst) == Committed(0, 10_000, 0)
    store.reopen()
    assert store.writer.commit(burst) == Committed(0, 10_000, 0)
    assert sorted(v for _, v in stored(store, batch.desk)) == [float(i) for i in range(10_000)]


@pytest.mark.timeout(10)
def test_readings_one_nanosecond_apart_are_recognised_when_they_come_again(store: Any, batch: Any) -> None:
    close = batch.readings(*((i, float(i)) for i in range(10_000)))
    assert store.writer.commit(close) == Committed(10_000, 0, 0)
    assert store.writer.commit(close) == Committed(0, 10_000, 0)


def test_late_readings_take_their_place_in_time(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((5 * SECOND_NS, 5.0)))
    assert store.writer.commit(batch.readings((1 * SECOND_NS, 1.0), (3 * SECOND_NS, 3.0))) == Committed(
        2, 0, 0
    )
    assert [v for _, v in stored(store, batch.desk)] == [1.0, 3.0, 5.0]
    (latest,) = store.reader.latest()
    assert (latest.time_ns, latest.value) == (batch.t0_ns + 5 * SECOND_NS, 5.0)


def test_values_come_back_exactly(store: Any, batch: Any) -> None:
    values = [0.1, -0.1, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, -273.15]
    store.writer.commit(batch.readings(*((i * SECOND_NS, v) for i, v in enumerate(values))))
    assert [v for _, v in stored(store, batch.desk)] == values


def test_an_empty_batch_is_no_work(store: Any) -> None:
    assert store.writer.commit(Batch()) == Committed(0, 0, 0)


def a_batch_of_everything(batch: Any, n: int) -> Batch:
    return Batch.of(
        [Reading(Series(f"device{i}", "t"), batch.t0_ns + i, float(i)) for i in range(n)],
        [DeadLetter("x", b"?" * 3000, "value_null", "why", batch.t0_ns)],
        [DeviceFacts("desk", Status.ONLINE, batch.t0_ns, name="Desk")],
        [Receipt(7, 77)],
    )


def everything(store: Any) -> Any:
    return (
        [i.series for i in store.reader.latest()],
        [d.facts for d in store.reader.devices()],
        store.dead_letters.list(10),
        list(store.writer.receipts()),
        store.writer.state(),
    )


def test_a_full_disk_stores_nothing_and_the_same_batch_works_when_there_is_room(
    store: Any, batch: Any
) -> None:
    store.writer.commit(batch.readings((0, 1.0)))
    before = everything(store)
    big = a_batch_of_everything(batch, 2_000)
    store.fill_disk()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.writer.commit(big)
        assert everything(store) == before
    store.free_disk()
    assert store.writer.commit(big) == Committed(2_000, 0, 0)
    store.reopen()
    assert len(store.reader.latest()) == 2_001
    assert len(store.dead_letters.list(10)) == 1
    assert list(store.writer.receipts()) == [Receipt(7, 77)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_value_that_the_store_refuses_stores_nothing_of_its_batch(
    store: Any, batch: Any, place: int
) -> None:
    good = [Reading(Series("new", f"t{i}"), batch.t0_ns, 1.0) for i in range(2)]
    bad = Reading(Series("new", "bad"), batch.t0_ns, float("nan"))
    before = everything(store)
    with pytest.raises(StoreUnavailable):
        store.writer.commit(Batch.of([*good[:place], bad, *good[place:]]))
    assert everything(store) == before
    assert store.writer.commit(Batch.of(good)) == Committed(2, 0, 0)


def test_a_mistake_in_a_batch_leaves_the_store_usable(store: Any, batch: Any) -> None:
    impossible = Reading(Series("new", "t"), 2**70, 1.0)
    with pytest.raises(OverflowError):
        store.writer.commit(Batch.of([Reading(batch.desk, batch.t0_ns, 1.0), impossible]))
    assert store.writer.commit(batch.readings((0, 1.0))) == Committed(1, 0, 0)
    assert [i.series for i in store.reader.latest()] == [batch.desk]


def test_receipts_come_back_in_their_order(store: Any, batch: Any) -> None:
    first, second = (1, 2**64 - 1), (65_535, 0)
    store.writer.commit(batch.receipts(first, second))
    store.writer.commit(batch.receipts(first))
    store.reopen()
    assert list(store.writer.receipts()) == [Receipt(*first), Receipt(*second), Receipt(*first)]


def test_receipts_are_bounded_and_the_newest_are_kept(store: Any, batch: Any) -> None:
    given = [(i % 65_535 + 1, i) for i in range(100_000)]
    for i in range(0, len(given), 500):
        store.writer.commit(batch.receipts(*given[i : i + 500]))
    kept = list(store.writer.receipts())
    assert kept == [Receipt(*r) for r in given[-32_768:]]
