"""History in columns as answers have it: readings as they are stored, averages with no more digits than the sensor can mean."""

from decimal import Decimal
from typing import Any

from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns
from sensorline_web.instants import all_to_ms, to_ms

EXTRA_DECIMALS = 2
"""Decimals that an average has beyond its readings: an average of 10,000 readings is that much finer than one of them."""

LEAST_DECIMALS = 4
"""Of readings that are whole numbers, a switch's 0 and 1 among them, averages are shares."""

MOST_DECIMALS = 12
"""Averages of readings with more decimals than this are left as they are: those digits are binary fractions, not the sensor's."""

_LOOKED_AT = 64


def series_entry(series: Series, facts: DeviceFacts, columns: Columns) -> dict[str, Any]:
    """Return one series of GET series: times in epoch milliseconds, `mean` rounded; `min` and `max` are readings, not touched."""
    return {
        "device": series.device,
        "metric": series.metric,
        "unit": facts.units.get(series.metric),
        "bucket_ms": to_ms(columns.bucket_ns),
        "last": None if columns.last_ns is None else to_ms(columns.last_ns),
        "t": all_to_ms(columns.start_ns),
        "min": columns.min,
        "mean": rounded_means(columns),
        "max": columns.max,
        "n": columns.n,
    }


def rounded_means(columns: Columns) -> list[float]:
    """Return the averages of buckets with a few decimals more than their readings; single readings as they are."""
    if not columns.bucket_ns or not columns.max:
        return columns.mean
    # Readings of one sensor have the same number of decimals, but for zeros at the end: a few of them tell it.
    some = columns.max[:: max(len(columns.max) // _LOOKED_AT, 1)]
    decimals = max(max(map(_decimals, some)) + EXTRA_DECIMALS, LEAST_DECIMALS)
    if decimals > MOST_DECIMALS:
        return columns.mean
    rows = zip(columns.min, columns.mean, columns.max, strict=True)
    return [max(low, min(round(mean, decimals), high)) for low, mean, high in rows]


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).as_tuple().exponent
    # Infinity and NaN have letters for an exponent.
    return max(-exponent, 0) if isinstance(exponent, int) else 0
