"""Queries: whatever the range, the number of points and the state of the rollups, they say what the readings say."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.conftest import ONE_OF_EACH

from sensorline.errors import QueryError
from sensorline.reading import Series
from sensorline.stores.base import Columns
from sensorline.stores.buckets import WIDTHS_NS, bucket_width

SECOND_NS = 10**9
MINUTE_NS, HOUR_NS, DAY_NS = 60 * SECOND_NS, 3600 * SECOND_NS, 86_400 * SECOND_NS
YEAR_NS = 365 * DAY_NS


def check_answer(
    columns: Columns, model: dict[int, float], start_ns: int, end_ns: int, max_points: int
) -> None:
    """Compare an answer with one computed from all readings (`model`: time → value)."""
    width_ns = columns.bucket_ns
    inside = sorted(t for t in model if start_ns <= t < end_ns)
    lists = (columns.start_ns, columns.min, columns.mean, columns.max, columns.n)
    assert len({len(column) for column in lists}) == 1
    assert len(columns.start_ns) <= max_points
    if len(inside) <= max_points:
        assert width_ns == 0, "the single readings fit"
    if width_ns == 0:
        values = [model[t] for t in inside]
        assert lists == (inside, values, values, values, [1] * len(inside))
        return
    first, behind = start_ns // width_ns * width_ns, -(-end_ns // width_ns) * width_ns
    buckets: dict[int, list[float]] = {}
    for t in sorted(model):
        if first <= t < behind:
            buckets.setdefault(t // width_ns * width_ns, []).append(model[t])
    assert columns.start_ns == sorted(buckets)
    expected = list(buckets.values())
    assert columns.min == [min(b) for b in expected]
    assert columns.max == [max(b) for b in expected]
    assert columns.n == [len(b) for b in expected]
    for mean, bucket in zip(columns.mean, expected, strict=True):
        assert math.isclose(mean, math.fsum(bucket) / len(bucket), rel_tol=1e-12, abs_tol=1e-9)


def fill(store: Any, batch: Any, model: dict[int, float], times_ns: list[int], scale: float = 1.0) -> None:
    pairs = [(t - batch.t0_ns, (i * 37 % 101 - 50) * scale) for i, t in enumerate(sorted(set(times_ns)))]
    store.writer.commit(batch.readings(*pairs))
    model |= {batch.t0_ns + t: v for t, v in pairs}


def maintain(store: Any, now_ns: int) -> None:
    while store.writer.maintain(now_ns):
        pass


# Milliseconds after T0 in clumps of every density: bursts, minutes, hours, days, months apart.
_GAPS_MS = st.one_of(
    st.integers(1, 50),
    st.integers(200, 20_000),
    st.integers(20_000, 600_000),
    st.integers(600_000, 12_000_000),
    st.integers(12_000_000, 3_000_000_000),
)


@st.composite
def times_ms(draw: st.DrawFn, max_size: int = 60) -> list[int]:
    clumps = draw(st.lists(st.tuples(_GAPS_MS, st.integers(1, 12)), min_size=1, max_size=max_size))
    now, out = 0, []
    for gap, count in clumps:
        out += [now + i * gap for i in range(count)]
        now = out[-1] + gap
    return out


_RANGES = st.tuples(st.floats(-0.2, 1.2), st.floats(0.0, 1.0) | st.floats(0.0, 0.001), st.integers(1, 200))


def every_stage(
    make_store: Callable[[], Any],
    batch: Any,
    times: list[int],
    late: list[float],
    ranges: list[tuple[float, float, int]],
) -> None:
    store = make_store()
    model: dict[int, float] = {}
    span_ns = max(times[-1] * 10**6, 1000)

    def check() -> None:
        for place, part, max_points in ranges:
            start_ns = batch.t0_ns + int(place * span_ns)
            end_ns = start_ns + max(1, int(part * span_ns * 1.2))
            columns = store.reader.query(batch.desk, start_ns, end_ns, max_points)
            check_answer(columns, model, start_ns, end_ns, max_points)

    try:
        fill(store, batch, model, [batch.t0_ns + t * 10**6 for t in times])
        check()
        maintain(store, batch.t0_ns + span_ns // 2)
        check()
        maintain(store, batch.t0_ns + span_ns + DAY_NS)
        assert store.writer.state().dirty_windows == 0
        check()
        fill(store, batch, model, [batch.t0_ns + int(x * span_ns) // 10**6 * 10**6 + 500_000 for x in late])
        check()
        maintain(store, batch.t0_ns + span_ns + DAY_NS)
        check()
        # Every reading once more changes nothing.
        pairs = [(t - batch.t0_ns, v) for t, v in model.items()]
        assert store.writer.commit(batch.readings(*pairs)).repeated == len(pairs)
        check()
        store.reopen()
        check()
        assert dict(store.reader.export(batch.desk, 0, 2**62)) == model
    finally:
        store.close()


@pytest.mark.parametrize("make_store", ONE_OF_EACH[:1], indirect=True)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    times=times_ms(),
    late=st.lists(st.floats(0, 1), max_size=20),
    ranges=st.lists(_RANGES, min_size=4, max_size=8),
)
def test_any_query_equals_a_computation_from_all_readings_at_every_stage_of_upkeep(
    make_store: Callable[[], Any],
    batch: Any,
    times: list[int],
    late: list[float],
    ranges: list[tuple[float, float, int]],
) -> None:
    every_stage(make_store, batch, times, late, ranges)


@pytest.mark.parametrize("make_store", ONE_OF_EACH[1:], indirect=True)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    times=times_ms(),
    late=st.lists(st.floats(0, 1), max_size=20),
    ranges=st.lists(_RANGES, min_size=4, max_size=8),
)
def test_any_query_to_a_server_equals_a_computation_from_all_readings_at_every_stage_of_upkeep(
    make_store: Callable[[], Any],
    batch: Any,
    times: list[int],
    late: list[float],
    ranges: list[tuple[float, float, int]],
) -> None:
    every_stage(make_store, batch, times, late, ranges)


@pytest.fixture(scope="module")
def filled(make_store: Callable[[], Any], batch: Any) -> Any:
    """A year and a half of readings, dense at the end, rolled up, with some late ones that are not."""
    store = make_store()
    model: dict[int, float] = {}
    end_ns = batch.t0_ns
    fill(store, batch, model, [end_ns - i * 137 * MINUTE_NS for i in range(6_000)], 0.25)
    fill(store, batch, model, [end_ns - i * 7 * SECOND_NS - 3 for i in range(3_000)], 0.25)
    fill(store, batch, model, [end_ns - i * 3 * 10**6 - 5 for i in range(9_000)], 0.25)
    maintain(store, end_ns + DAY_NS)
    fill(store, batch, model, [end_ns - i * 11 * HOUR_NS - 7 for i in range(300)], 0.25)
    yield store, model
    store.close()


@pytest.mark.parametrize("make_store", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize("width_ns", WIDTHS_NS[:-1], ids=lambda ns: f"{ns / SECOND_NS:g}s")
@pytest.mark.parametrize("offset_ns", [0, 12_345_678])
def test_every_width_of_bucket_is_aligned_and_right(
    filled: Any, batch: Any, width_ns: int, offset_ns: int
) -> None:
    store, model = filled
    points = 20
    end_ns = batch.t0_ns - offset_ns
    # Too short a range for the next wider one, too many readings for this one to be raw.
    start_ns = end_ns - width_ns * (points - 1)
    assert bucket_width(start_ns, end_ns, points) == width_ns
    columns = store.reader.query(batch.desk, start_ns, end_ns, points)
    assert columns.bucket_ns in (0, width_ns)
    assert all(t % width_ns == 0 for t in columns.start_ns if columns.bucket_ns)
    check_answer(columns, model, start_ns, end_ns, points)


@pytest.mark.parametrize("make_store", ONE_OF_EACH, indirect=True)
@pytest.mark.parametrize("max_points", [1, 2, 7, 800, 10_000])
@pytest.mark.parametrize(
    "span_ns", [1, 10**6, MINUTE_NS, HOUR_NS, DAY_NS, 30 * DAY_NS, YEAR_NS, 50 * YEAR_NS]
)
def test_any_span_and_any_number_of_points_is_right(
    filled: Any, batch: Any, span_ns: int, max_points: int
) -> None:
    store, model = filled
    for end_ns in (batch.t0_ns + 1, batch.t0_ns + span_ns // 2, batch.t0_ns - 40 * DAY_NS):
        start_ns = max(end_ns - span_ns, 0)
        columns = store.reader.query(batch.desk, start_ns, end_ns, max_points)
        check_answer(columns, model, start_ns, end_ns, max_points)


def test_single_readings_are_returned_when_they_just_fit(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings(*((i * SECOND_NS, float(i)) for i in range(100))))
    end_ns = batch.t0_ns + 100 * SECOND_NS
    assert store.reader.query(batch.desk, batch.t0_ns, end_ns, 100).bucket_ns == 0
    assert store.reader.query(batch.desk, batch.t0_ns, end_ns, 99).bucket_ns > 0


def test_a_time_without_readings_is_a_gap(store: Any, batch: Any) -> None:
    gap = range(40, 60)
    pairs = [(i * MINUTE_NS, 1.0) for i in range(100) if i not in gap]
    store.writer.commit(batch.readings(*pairs))
    maintain(store, batch.t0_ns + DAY_NS)
    start_ns = batch.t0_ns // (5 * MINUTE_NS) * 5 * MINUTE_NS
    columns = store.reader.query(batch.desk, start_ns, start_ns + 100 * MINUTE_NS, 20)
    assert columns.bucket_ns == 5 * MINUTE_NS
    steps = [b - a for a, b in itertools.pairwise(columns.start_ns)]
    assert set(steps) == {5 * MINUTE_NS, 25 * MINUTE_NS} or set(steps) == {5 * MINUTE_NS, 20 * MINUTE_NS}
    assert steps.count(5 * MINUTE_NS) == len(steps) - 1


def test_a_bucket_is_the_same_however_the_range_around_it_slides(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings(*((i * 10 * SECOND_NS, float(i)) for i in range(3_000))))
    maintain(store, batch.t0_ns + DAY_NS)
    seen: dict[int, Any] = {}
    for slide in range(0, 600, 47):
        start_ns = batch.t0_ns + HOUR_NS + slide * SECOND_NS
        columns = store.reader.query(batch.desk, start_ns, start_ns + 5 * HOUR_NS, 61)
        assert columns.bucket_ns == 5 * MINUTE_NS
        for t, *rest in zip(columns.start_ns, columns.min, columns.mean, columns.max, columns.n, strict=True):
            assert seen.setdefault(t, rest) == rest


@pytest.mark.parametrize("is_rolled_up", [False, True])
def test_the_mean_of_huge_or_rounded_values_stays_between_min_and_max(
    store: Any, batch: Any, is_rolled_up: bool
) -> None:
    huge = 1.7e308
    values = [0.1] * 600 + [huge, huge, huge] * 200 + [-huge] * 600
    store.writer.commit(batch.readings(*((i * SECOND_NS, v) for i, v in enumerate(values))))
    if is_rolled_up:
        maintain(store, batch.t0_ns + DAY_NS)
    for max_points in (1, 2, 30, 300):
        columns = store.reader.query(batch.desk, batch.t0_ns, batch.t0_ns + 1_800 * SECOND_NS, max_points)
        for low, mean, high in zip(columns.min, columns.mean, columns.max, strict=True):
            assert low <= mean <= high
    assert store.writer.commit(batch.readings((1_900 * SECOND_NS, 1.0))).stored == 1


def test_a_range_that_ends_after_time_itself_is_answered(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 1.0), (1, 2.0)))
    for start_ns, end_ns in ((-(10**30), 10**30), (0, 2**63), (0, 2**64)):
        assert store.reader.query(batch.desk, start_ns, end_ns, 10).n == [1, 1]
        assert sum(store.reader.query(batch.desk, start_ns, end_ns, 1).n) == 2
        assert len(list(store.reader.export(batch.desk, start_ns, end_ns))) == 2
    for start_ns, end_ns in ((2**64, 2**65), (-100, -50)):
        assert store.reader.query(batch.desk, start_ns, end_ns, 10).n == []


def test_an_unknown_series_has_no_buckets(store: Any, batch: Any) -> None:
    for max_points in (1, 10_000):
        assert (
            store.reader.query(Series("no", "one"), batch.t0_ns, batch.t0_ns + 1, max_points).start_ns == []
        )
    assert list(store.reader.export(Series("no", "one"), 0, 2**62)) == []


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "max_points", "parameter"),
    [
        (5, 5, 100, "from"),
        (6, 5, 100, "from"),
        (0, 5, 0, "max_points"),
        (0, 5, -1, "max_points"),
        (0, 5, 10_001, "max_points"),
    ],
)
def test_a_question_without_an_answer_names_the_parameter(
    store: Any, batch: Any, start_ns: int, end_ns: int, max_points: int, parameter: str
) -> None:
    for series in (batch.desk, Series("no", "one")):
        with pytest.raises(QueryError) as caught:
            store.reader.query(series, start_ns, end_ns, max_points)
        assert caught.value.parameter == parameter


def test_an_export_is_every_reading_of_the_range_in_order(store: Any, batch: Any) -> None:
    pairs = [(i * 1_000, float(i % 7)) for i in range(12_345)]
    store.writer.commit(batch.readings(*pairs))
    everything = [(batch.t0_ns + t, v) for t, v in pairs]
    assert list(store.reader.export(batch.desk, 0, 2**62)) == everything
    start_ns, end_ns = everything[100][0], everything[11_000][0]
    assert list(store.reader.export(batch.desk, start_ns, end_ns)) == everything[100:11_000]


def test_two_exports_and_a_query_may_be_under_way_at_once(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings(*((i, float(i)) for i in range(11_000))))
    one, other = (store.reader.export(batch.desk, 0, 2**62) for _ in range(2))
    next(one), next(other)
    assert store.reader.query(batch.desk, 0, 2**62, 10).n
    assert len(list(one)) == len(list(other)) == 10_999
