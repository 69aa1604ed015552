"""Rollups against raw readings: buckets of every width say what the readings in them say."""

from collections.abc import Iterator

from tests.chaos.accounts import Stored

from sensorline.reading import Series
from sensorline.stores.base import StoreReader

WIDTHS = (10_000, 500, 50, 5, 1)
"""Most points asked for: readings, minutes, hours, half-days or days."""


def differences(reader: StoreReader, stored: Stored) -> Iterator[str]:
    """Yield a sentence for each series and width whose buckets differ from its readings: least, greatest, mean, number."""
    for (device, metric), raw in stored.items():
        series = Series(device, metric)
        for most in WIDTHS:
            yield from _compare(reader, series, raw, most)


def _compare(reader: StoreReader, series: Series, raw: list[tuple[int, float]], most: int) -> Iterator[str]:
    columns = reader.query(series, raw[0][0], raw[-1][0] + 1, most)
    if not columns.bucket_ns:
        if list(zip(columns.start_ns, columns.mean, strict=True)) != raw:
            yield f"{series}: single readings differ from the export"
        return
    expected: dict[int, list[float]] = {}
    for time_ns, value in raw:
        expected.setdefault(time_ns // columns.bucket_ns * columns.bucket_ns, []).append(value)
    rows = zip(columns.start_ns, columns.n, columns.min, columns.max, columns.mean, strict=True)
    found = {start: (n, low, high, mean) for start, n, low, high, mean in rows}
    wrong = [
        start
        for start in expected.keys() | found.keys()
        if not _is_right(found.get(start), expected.get(start))
    ]
    if wrong:
        start = min(wrong)
        yield (
            f"{series}: {len(wrong)} of {len(expected)} buckets of {columns.bucket_ns / 1e9:g} s differ from their readings,"
            f" first at {start}: {found.get(start)} for {len(expected.get(start, []))} readings"
        )


def _is_right(found: tuple[int, float, float, float] | None, values: list[float] | None) -> bool:
    if found is None or values is None:
        return False
    n, low, high, mean = found
    return (n, low, high) == (len(values), min(values), max(values)) and abs(
        mean - sum(values) / n
    ) <= 1e-9 * abs(high)
