"""A bound on names: known series always go on, new ones up to the limits."""

import pytest

from sensorline.errors import Rejected
from sensorline.reading import Series
from sensorline_ingest.cardinality import Cardinality


def reason(cardinality: Cardinality, device: str, metric: str) -> str:
    with pytest.raises(Rejected) as caught:
        cardinality.admit(Series(device, metric))
    return caught.value.reason


def test_new_series_come_in_up_to_the_limits_and_known_ones_always() -> None:
    cardinality = Cardinality((), max_series=3, max_metrics_per_device=2)
    for _ in range(2):
        cardinality.admit(Series("a", "x"))
        cardinality.admit(Series("a", "y"))
    assert reason(cardinality, "a", "z") == "too_many_metrics"
    cardinality.admit(Series("b", "x"))
    assert reason(cardinality, "c", "x") == "too_many_series"
    cardinality.admit(Series("a", "x"))


def test_what_was_stored_before_counts_even_above_the_limits() -> None:
    known = [Series("a", str(i)) for i in range(5)]
    cardinality = Cardinality(known, max_series=3, max_metrics_per_device=2)
    for series in known:
        cardinality.admit(series)
    assert reason(cardinality, "a", "new") == "too_many_metrics"
    assert reason(cardinality, "b", "new") == "too_many_series"
