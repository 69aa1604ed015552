"""What a store holds, read through its reader: the same for every test that compares sets of readings."""

from collections import Counter
from pathlib import Path

from sensorline.errors import StoreUnavailable
from sensorline.reading import DeadLetter, DeviceFacts, Series
from sensorline.stores.sqlite import SqliteDeadLetters, SqliteReader

EVER_NS = 4_000_000_000 * 10**9
"""The year 2096: the end of every range that means everything."""

Point = tuple[str, str, int, float]
"""device, metric, time_ns, value"""


def points(store: Path) -> list[Point]:
    """Return every reading of a store."""
    reader = SqliteReader(store)
    try:
        return [
            (*info.series, time_ns, value)
            for info in reader.latest()
            for time_ns, value in reader.export(info.series, 0, EVER_NS)
        ]
    finally:
        reader.close()


def count(store: Path) -> int:
    """Return how many readings a store holds, by its rollups; 0 while there is no store."""
    reader = SqliteReader(store)
    try:
        return sum(sum(reader.query(i.series, 0, EVER_NS, 1).n) for i in reader.latest())
    except StoreUnavailable:
        return 0
    finally:
        reader.close()


def dead_letters(store: Path) -> list[DeadLetter]:
    """Return every dead letter of a store, oldest first."""
    return SqliteDeadLetters(store).list(1_000_000)[::-1]


def devices(store: Path) -> dict[str, DeviceFacts]:
    """Return what a store knows of each device."""
    reader = SqliteReader(store)
    try:
        return {info.facts.device: info.facts for info in reader.devices()}
    finally:
        reader.close()


def assert_rollups_equal_raw(store: Path) -> None:
    """Check that buckets of every width say what the readings in them say: n, min, max and mean."""
    reader = SqliteReader(store)
    try:
        for info in reader.latest():
            raw = list(reader.export(info.series, 0, EVER_NS))
            start_ns, end_ns = raw[0][0], raw[-1][0] + 1
            for max_points in (10_000, 100, 10, 1):
                _check(reader, info.series, raw, start_ns, end_ns, max_points)
    finally:
        reader.close()


def _check(
    reader: SqliteReader,
    series: Series,
    raw: list[tuple[int, float]],
    start_ns: int,
    end_ns: int,
    points_: int,
) -> None:
    columns = reader.query(series, start_ns, end_ns, points_)
    if not columns.bucket_ns:
        assert list(zip(columns.start_ns, columns.mean, strict=True)) == raw
        return
    expected: dict[int, list[float]] = {}
    for time_ns, value in raw:
        expected.setdefault(time_ns // columns.bucket_ns * columns.bucket_ns, []).append(value)
    what = f"{series} in at most {points_} buckets"
    assert columns.start_ns == sorted(expected), what
    for start, low, mean, high, n in zip(
        columns.start_ns, columns.min, columns.mean, columns.max, columns.n, strict=True
    ):
        values = expected[start]
        assert (low, high, n) == (min(values), max(values), len(values)), f"{what} at {start}"
        assert abs(mean - sum(values) / n) <= 1e-9 * max(1.0, abs(mean)), f"{what} at {start}"


def differences(expected: Counter[object], found: Counter[object], limit: int = 5) -> str:
    """Return what two multisets do not share, in words; empty when they are the same."""
    missing, extra = expected - found, found - expected
    if not missing and not extra:
        return ""
    return (
        f"{missing.total()} missing, such as {list(missing)[:limit]};"
        f" {extra.total()} too many, such as {list(extra)[:limit]}"
    )
