"""Years of readings: the coarsest rollups say exactly what the readings do, also while some of them are still to do."""

import random
from collections.abc import Callable
from typing import Any

import pytest

HOUR_NS, DAY_NS = 3600 * 10**9, 86_400 * 10**9

Told = tuple[int, float, float, int]
"""Of one bucket: start, min, max, n."""


def maintain(store: Any, now_ns: int) -> None:
    for _ in range(10_000):
        if not store.writer.maintain(now_ns):
            return
    raise AssertionError("upkeep never ends")


def expected(readings: dict[int, float], start_ns: int, end_ns: int, bucket_ns: int) -> list[Told]:
    """Return what buckets must say of readings, by adding them up one by one."""
    first_ns = start_ns // bucket_ns * bucket_ns
    behind_ns = -(-end_ns // bucket_ns) * bucket_ns
    values: dict[int, list[float]] = {}
    for time_ns, value in readings.items():
        if first_ns <= time_ns < behind_ns:
            values.setdefault(time_ns // bucket_ns * bucket_ns, []).append(value)
    return [(start, min(v), max(v), len(v)) for start, v in sorted(values.items())]


@pytest.mark.parametrize(
    "kept_days", [{}, {"keep_raw_days": 30, "keep_minutes_days": 100, "keep_hours_days": 500}]
)
def test_any_range_and_width_says_what_the_readings_do(
    make_store: Callable[..., Any], batch: Any, kept_days: dict[str, float]
) -> None:
    """Four readings a day over three years; late ones, rolled up or not yet; a restart; hours forgotten after a while."""
    store = make_store(**kept_days)
    rng = random.Random(len(kept_days))
    now_ns = batch.t0_ns + DAY_NS
    readings: dict[int, float] = {}

    def commit(count: int, oldest_days: float) -> None:
        times = [-int(rng.uniform(0, oldest_days) * DAY_NS) for _ in range(count)]
        values = [rng.uniform(-50, 50) for _ in times]
        store.writer.commit(batch.readings(*zip(times, values, strict=True)))
        readings.update({batch.t0_ns + t: v for t, v in zip(times, values, strict=True)})

    def check() -> None:
        for _ in range(12):
            days, back = rng.choice([12, 40, 300, 1_100, 1_500]), rng.uniform(0, 900)
            end_ns = batch.t0_ns - int(back * DAY_NS) + rng.choice([0, 17 * HOUR_NS + 7])
            start_ns, points = end_ns - days * DAY_NS, rng.choice([2, 30, 400, 3_000])
            columns = store.reader.query(batch.desk, start_ns, end_ns, points)
            width_ns = columns.bucket_ns or 1
            found = list(zip(columns.start_ns, columns.min, columns.max, columns.n, strict=True))
            assert found == expected(readings, start_ns, end_ns, width_ns), (days, back, points, width_ns)

    commit(4 * 1_100, 1_100)
    check()
    maintain(store, now_ns)
    if kept_days:
        border_ns = (now_ns - 500 * DAY_NS) // HOUR_NS * HOUR_NS
        readings = {time_ns: value for time_ns, value in readings.items() if time_ns >= border_ns}
    check()
    commit(60, 25 if kept_days else 1_100)
    check()
    store.reopen(**kept_days)
    check()
    commit(5, 25)
    maintain(store, now_ns)
    check()
    store.close()
