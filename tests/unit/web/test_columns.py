"""Averages have the digits that their readings give them; readings are never touched."""

import pytest

from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns
from sensorline_web.columns import rounded_means, series_entry

THIRD = 1 / 3


def columns(readings: list[float], means: list[float], bucket_ns: int = 60 * 10**9) -> Columns:
    count = len(readings)
    return Columns(bucket_ns, list(range(count)), readings, means, readings, [3] * count)


@pytest.mark.parametrize(
    ("low", "mean", "high", "shown"),
    [
        (21.0, 21 + THIRD, 21.5, 21.3333),
        (20.0, 21 + THIRD, 21.625, 21.33333),
        (0.0, THIRD, 1.0, 0.3333),
        (101_325.0, 101_325 + THIRD, 101_326.0, 101_325.3333),
        (1e-07, 1.5e-07 + 1e-13, 2e-07, 1.5e-07),
        (0.1, 0.1 + THIRD / 10, 0.1 + 0.2, 0.1 + THIRD / 10),
        (1.0, float("inf"), float("inf"), float("inf")),
    ],
)
def test_an_average_has_two_decimals_more_than_its_readings_and_four_at_least(
    low: float, mean: float, high: float, shown: float
) -> None:
    assert rounded_means(Columns(60 * 10**9, [0], [low], [mean], [high], [3])) == [shown]


def test_an_average_stays_between_its_extremes() -> None:
    many = [21.5] * 200
    many[1] = 21.1234567
    assert rounded_means(columns(many, many)) == many


def test_single_readings_and_extremes_are_as_they_were_published() -> None:
    noisy = [0.1 + 0.2, 21.123456789]
    entry = series_entry(Series("d", "m"), DeviceFacts("d"), columns(noisy, noisy, bucket_ns=0))
    assert entry["min"] == entry["mean"] == entry["max"] == noisy
    entry = series_entry(Series("d", "m"), DeviceFacts("d"), columns(noisy, [1.0, 2.0]))
    assert entry["min"] == entry["max"] == noisy


def test_no_readings_have_no_averages() -> None:
    assert rounded_means(columns([], [])) == []
