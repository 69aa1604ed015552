"""Upkeep: rollups follow the readings, retention forgets each level at its own time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sensorline.errors import StoreUnavailable

SECOND_NS = 10**9
MINUTE_NS, HOUR_NS, DAY_NS = 60 * SECOND_NS, 3600 * SECOND_NS, 86_400 * SECOND_NS


def maintain(store: Any, now_ns: int) -> int:
    for step in range(10_000):
        if not store.writer.maintain(now_ns):
            return step
    raise AssertionError("upkeep never ends")


def total(store: Any, batch: Any, start_ns: int, end_ns: int, max_points: int) -> int:
    return sum(store.reader.query(batch.desk, start_ns, end_ns, max_points).n)


@pytest.fixture
def make(make_store: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def keep(**retention_days: float) -> Any:
        made.append(make_store(**retention_days))
        return made[-1]

    yield keep
    for store in made:
        store.close()


def fill(store: Any, batch: Any, days: int, step_ns: int = 10 * MINUTE_NS) -> int:
    """Store readings for the `days` before T0, at the starts of steps; return their count."""
    count = days * DAY_NS // step_ns
    store.writer.commit(batch.readings(*((-(i + 1) * step_ns, float(i % 100)) for i in range(count))))
    return int(count)


def test_upkeep_of_an_empty_store_is_no_work(store: Any, batch: Any) -> None:
    assert maintain(store, batch.t0_ns) == 0


def test_a_window_waits_until_it_is_over(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 1.0)))
    end_of_window_ns = (batch.t0_ns // store.window_ns + 1) * store.window_ns
    maintain(store, end_of_window_ns - 1)
    assert store.writer.state().dirty_windows == 1
    maintain(store, end_of_window_ns + MINUTE_NS)
    assert store.writer.state().dirty_windows == 0


def test_the_list_of_what_is_to_do_survives_a_restart(store: Any, batch: Any) -> None:
    fill(store, batch, 1)
    store.reopen()
    assert store.writer.state().dirty_windows == 144
    maintain(store, batch.t0_ns + DAY_NS)
    assert store.writer.state().dirty_windows == 0


def test_a_repetition_makes_no_work(store: Any, batch: Any) -> None:
    fill(store, batch, 1)
    maintain(store, batch.t0_ns + DAY_NS)
    fill(store, batch, 1)
    assert store.writer.state().dirty_windows == 0


def test_one_step_is_short_and_a_commit_finds_its_place_between_two(store: Any, batch: Any) -> None:
    count = fill(store, batch, 2, step_ns=MINUTE_NS)
    assert store.writer.maintain(batch.t0_ns + DAY_NS)
    assert 0 < store.writer.state().dirty_windows < count
    store.writer.commit(batch.readings((0, 1.0), (-2 * DAY_NS, 200.0)))
    maintain(store, batch.t0_ns + DAY_NS)
    assert store.writer.state().dirty_windows == 0
    assert total(store, batch, batch.t0_ns - 3 * DAY_NS, batch.t0_ns + DAY_NS, 5) == count + 2


def test_retention_deletes_readings_and_the_rollups_go_on_telling(
    make: Callable[..., Any], batch: Any
) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=40)
    count = fill(store, batch, 60)
    before = {
        points: store.reader.query(batch.desk, batch.t0_ns - 61 * DAY_NS, batch.t0_ns, points)
        for points in (1, 7, 100, 1_000)
    }
    assert before[1_000].bucket_ns == 7200 * SECOND_NS
    maintain(store, batch.t0_ns)
    maintain(store, batch.t0_ns + HOUR_NS)
    raw = list(store.reader.export(batch.desk, 0, 2**62))
    border_ns = (batch.t0_ns - 10 * DAY_NS + HOUR_NS) // HOUR_NS * HOUR_NS
    assert border_ns <= raw[0][0] < border_ns + 10 * MINUTE_NS
    assert len(raw) < count / 5
    after = {
        points: store.reader.query(batch.desk, batch.t0_ns - 61 * DAY_NS, batch.t0_ns, points)
        for points in (1, 7, 100, 1_000)
    }
    assert after == before
    assert store.writer.state().readings == count


def test_minutes_answer_where_single_readings_are_gone(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=40)
    fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    start_ns = (batch.t0_ns - 20 * DAY_NS) // HOUR_NS * HOUR_NS
    columns = store.reader.query(batch.desk, start_ns, start_ns + HOUR_NS, 800)
    assert (columns.bucket_ns, columns.n) == (MINUTE_NS, [1] * 6)


def test_hours_answer_where_minutes_are_gone(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=40)
    fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    start_ns = (batch.t0_ns - 50 * DAY_NS) // HOUR_NS * HOUR_NS
    columns = store.reader.query(batch.desk, start_ns, start_ns + 3 * HOUR_NS, 800)
    assert (columns.bucket_ns, columns.n) == (HOUR_NS, [6] * 3)


def test_a_range_across_the_border_of_retention_is_whole(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=40)
    fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    for days in (10, 40):
        border_ns = (batch.t0_ns - days * DAY_NS) // HOUR_NS * HOUR_NS
        start_ns, end_ns = border_ns - 5 * HOUR_NS, border_ns + 5 * HOUR_NS
        for points in (10, 100, 10_000):
            assert total(store, batch, start_ns, end_ns, points) == 60


def test_hours_are_forgotten_too_when_asked(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=1, keep_minutes_days=2, keep_hours_days=30)
    fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    columns = store.reader.query(batch.desk, batch.t0_ns - 61 * DAY_NS, batch.t0_ns, 2_000)
    assert columns.bucket_ns == HOUR_NS
    assert columns.start_ns[0] == (batch.t0_ns - 30 * DAY_NS) // HOUR_NS * HOUR_NS


def test_the_newest_reading_of_a_series_is_known_after_it_was_deleted(
    make: Callable[..., Any], batch: Any
) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=20)
    store.writer.commit(batch.readings((0, 21.5)))
    maintain(store, batch.t0_ns + 30 * DAY_NS)
    assert list(store.reader.export(batch.desk, 0, 2**62)) == []
    (latest,) = store.reader.latest()
    assert (latest.time_ns, latest.value) == (batch.t0_ns, 21.5)


@pytest.mark.parametrize("minutes", [5, 20])
def test_rollups_stay_whole_when_minutes_were_to_be_kept_shorter_than_readings(
    make: Callable[..., Any], batch: Any, minutes: int
) -> None:
    store = make(keep_raw_days=20, keep_minutes_days=minutes, keep_hours_days=1)
    fill(store, batch, 15)
    maintain(store, batch.t0_ns)
    # A late reading makes its hour be computed again from its minutes.
    store.writer.commit(batch.readings((-12 * DAY_NS + 7, 99.5)))
    maintain(store, batch.t0_ns)
    start_ns = (batch.t0_ns - 12 * DAY_NS) // HOUR_NS * HOUR_NS
    for points in (1, 2, 60, 800):
        assert total(store, batch, start_ns, start_ns + HOUR_NS, points) == 7
    assert total(store, batch, start_ns - 2 * HOUR_NS, start_ns + 3 * HOUR_NS, 5) == 31


def test_late_readings_inside_the_retention_join_the_rollups(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=10, keep_minutes_days=40)
    fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    late_ns = -10 * DAY_NS + 2 * HOUR_NS
    store.writer.commit(batch.readings((late_ns + 1, 1000.0)))
    maintain(store, batch.t0_ns)
    start_ns = (batch.t0_ns + late_ns) // HOUR_NS * HOUR_NS
    columns = store.reader.query(batch.desk, start_ns, start_ns + 3 * HOUR_NS, 3)
    assert (columns.bucket_ns, sum(columns.n), max(columns.max)) == (HOUR_NS, 19, 1000.0)


def test_many_readings_are_forgotten_in_steps(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_raw_days=1, keep_minutes_days=2)
    for day in range(3):
        store.writer.commit(batch.readings(*((day * DAY_NS + i * SECOND_NS, 1.0) for i in range(20_000))))
    assert maintain(store, batch.t0_ns + 20 * DAY_NS) > 3
    assert list(store.reader.export(batch.desk, 0, 2**62)) == []
    assert total(store, batch, batch.t0_ns, batch.t0_ns + 3 * DAY_NS, 100) == 60_000


def test_dead_letters_are_forgotten(make: Callable[..., Any], batch: Any) -> None:
    store = make(keep_rejected_days=30)
    store.writer.commit(batch.dead_letters(b"old", received_ns=batch.t0_ns - 31 * DAY_NS))
    store.writer.commit(batch.dead_letters(b"new", received_ns=batch.t0_ns - 29 * DAY_NS))
    maintain(store, batch.t0_ns)
    assert [d.payload for d in store.dead_letters.list(10)] == [b"new"]


def test_retention_goes_on_after_a_restart(make: Callable[..., Any], batch: Any) -> None:
    store = make()
    count = fill(store, batch, 60)
    maintain(store, batch.t0_ns)
    assert len(list(store.reader.export(batch.desk, 0, 2**62))) == count
    store.reopen(keep_raw_days=10)
    maintain(store, batch.t0_ns)
    assert 0 < len(list(store.reader.export(batch.desk, 0, 2**62))) < count


def test_upkeep_on_a_full_disk_fails_softly_and_goes_on_later(store: Any, batch: Any) -> None:
    count = fill(store, batch, 2, step_ns=MINUTE_NS)
    store.fill_disk()
    with pytest.raises(StoreUnavailable):
        maintain(store, batch.t0_ns + DAY_NS)
    store.free_disk()
    maintain(store, batch.t0_ns + DAY_NS)
    assert store.writer.state().dirty_windows == 0
    assert total(store, batch, batch.t0_ns - 3 * DAY_NS, batch.t0_ns, 5) == count


def test_late_readings_join_rollups_whose_own_readings_retention_has_deleted(
    make: Callable[..., Any], batch: Any
) -> None:
    """Somebody lengthened the retention, or a node was away for long: the past must not become one late reading."""
    store = make(keep_raw_days=2.0, keep_minutes_days=0.0)
    count = fill(store, batch, 5, step_ns=20 * SECOND_NS)
    maintain(store, batch.t0_ns)
    late_ns = -4 * DAY_NS + 5 * SECOND_NS
    store.writer.commit(batch.readings((late_ns, 1e6), (late_ns + SECOND_NS, 2e6)))
    maintain(store, batch.t0_ns)
    span = (batch.t0_ns - 5 * DAY_NS, batch.t0_ns)
    for max_points in (150, 8_000):
        columns = store.reader.query(batch.desk, *span, max_points)
        assert (sum(columns.n), max(columns.max)) == (count + 2, 2e6)
    store.reopen()
    maintain(store, batch.t0_ns + MINUTE_NS)
    assert sum(store.reader.query(batch.desk, *span, 150).n) == count + 2
