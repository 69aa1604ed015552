"""Aggregation inside InfluxDB: one `from()` written out for each aggregate, which is what its storage engine answers itself.

Flux has no parameters in the open-source server: what goes into the text is our own numbers, a bucket's name from an
allow-list, and names as escaped strings.
"""

import math
from datetime import UTC, datetime

from sensorline.reading import Series
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.names import flux_text

Row = tuple[int, float, float, float, int]
"""start, min, sum, max, n"""

_PARTS = (("min", "min", "min"), ("sum", "sum", "sum"), ("max", "max", "max"), ("n", "n", "count"))
"""Result, field of a rollup, aggregate of single readings. A rollup's counts are added up."""


def aggregates(
    connection: Connection, bucket: str, series: Series, field: str, start_ns: int, end_ns: int, width_ns: int
) -> list[Row]:
    """Return buckets of a field of single readings, or with `field` empty of rollups. Raises StoreUnavailable."""
    parts = [
        (name, field or rollup_field, function if field or name != "n" else "sum")
        for name, rollup_field, function in _PARTS
    ]
    return _rows(_ask(connection, bucket, series, parts, start_ns, end_ns, width_ns), width_ns)


def aggregates_and_todo(
    connection: Connection, bucket: str, series: Series, start_ns: int, end_ns: int, width_ns: int
) -> tuple[list[Row], set[int]]:
    """Return buckets of rollups, and the starts of those with windows that are still to be recomputed."""
    parts = [(name, field, "sum" if name == "n" else function) for name, field, function in _PARTS]
    columns = _ask(connection, bucket, series, [*parts, ("todo", "todo", "max")], start_ns, end_ns, width_ns)
    todo = {start // width_ns * width_ns for start, mask in columns["todo"].items() if mask}
    return _rows(columns, width_ns), todo


def _ask(
    connection: Connection,
    bucket: str,
    series: Series,
    parts: list[tuple[str, str, str]],
    start_ns: int,
    end_ns: int,
    width_ns: int,
) -> dict[str, dict[int, float]]:
    """Return for each part (result, field, aggregate) the value of each bucket by its start."""
    queries = [
        f"from(bucket: {flux_text(bucket)})"
        f" |> range(start: time(v: {start_ns}), stop: time(v: {end_ns}))"
        f" |> filter(fn: (r) => r._measurement == {flux_text(series.metric)} and r.device == {flux_text(series.device)}"
        f' and r._field == "{field}")'
        f' |> aggregateWindow(every: {width_ns}ns, fn: {function}, createEmpty: false, timeSrc: "_start")'
        f' |> keep(columns: ["_time", "_value"]) |> yield(name: "{name}")'
        for name, field, function in parts
    ]
    columns: dict[str, dict[int, float]] = {name: {} for name, _, _ in parts}
    for _, name, _, time, value in connection.flux("\n".join(queries)):
        columns[name][_time_ns(time)] = float(value)
    return columns


def _rows(columns: dict[str, dict[int, float]], width_ns: int) -> list[Row]:
    lows, sums, highs, counts = (columns[name] for name, _, _ in _PARTS)
    return [
        # A bucket that the range cuts off begins where the range does.
        (
            start // width_ns * width_ns,
            lows[start],
            0.0 if math.isnan(sums[start]) else sums[start],
            highs[start],
            int(n),
        )
        for start, n in sorted(counts.items())
        if start in lows and start in sums and start in highs
    ]


def _time_ns(text: str) -> int:
    """Return an RFC 3339 time, with up to nine decimals, in nanoseconds since 1970."""
    whole, _, decimals = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(decimals.ljust(9, "0") if decimals else 0)
