"""Range parameters: what they take, and what they say about the rest."""

import pytest

from sensorline.errors import QueryError
from sensorline.reading import Series
from sensorline_web.ranges import parse_instant, parse_max_points, parse_range, parse_series

NOW_NS = 1_760_000_000_123_456_789


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("now", NOW_NS),
        ("now-90s", NOW_NS - 90 * 10**9),
        ("now-5m", NOW_NS - 300 * 10**9),
        ("now-6h", NOW_NS - 6 * 3600 * 10**9),
        ("now-30d", NOW_NS - 30 * 86400 * 10**9),
        ("now-2w", NOW_NS - 14 * 86400 * 10**9),
        ("now-1y", NOW_NS - 365 * 86400 * 10**9),
        ("now-900y", 0),
        ("1760000000123", 1_760_000_000_123_000_000),
        ("1760000000123.000001", 1_760_000_000_123_000_001),
        ("2025-10-09T08:53:20.5Z", 1_760_000_000_500_000_000),
        ("2025-10-09T10:53:20+02:00", 1_760_000_000_000_000_000),
        ("2025-10-09T10:53:20 02:00", 1_760_000_000_000_000_000),
    ],
)
def test_an_instant_is_understood(text: str, expected_ns: int) -> None:
    assert parse_instant("from", text, NOW_NS) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "now+1h",
        "now-1x",
        "-5",
        "1e30",
        "NaN",
        "2025-10-09",
        "2025-10-09T08:53:20",
        "9" * 40,
        "1969-12-31T23:59:59Z",
        "9999-01-01T00:00:00Z",
        "٣",
        "now-1h'; DROP TABLE reading",
    ],
)
def test_nonsense_is_a_query_error_that_names_the_parameter(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_instant("to", text, NOW_NS)
    assert caught.value.parameter == "to"


def test_a_range_without_parameters_is_the_last_hour_and_moves() -> None:
    span = parse_range({}, NOW_NS)
    assert (span.end_ns - span.start_ns, span.is_fixed) == (3600 * 10**9, False)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(QueryError, match="empty"):
        parse_range({"from": "2000", "to": "1000"}, NOW_NS)


@pytest.mark.parametrize("text", ["0", "10001", "-1", "1.5", "ten", "1" * 9])
def test_max_points_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_max_points({"max_points": text})
    assert caught.value.parameter == "max_points"


def test_max_points_takes_both_ends_of_its_range() -> None:
    assert [parse_max_points({"max_points": text}) for text in ("1", "10000")] == [1, 10_000]


def _metrics_of(device: str) -> list[str]:
    return {"desk": ["humidity", "temperature"]}.get(device, [])


def test_series_are_pairs_by_position() -> None:
    found = parse_series(["desk", "hall/door"], ["temperature", "open"], _metrics_of)
    assert found == [Series("desk", "temperature"), Series("hall/door", "open")]


def test_devices_alone_mean_all_their_metrics_once() -> None:
    assert parse_series(["desk", "desk"], [], _metrics_of) == [
        Series("desk", "humidity"),
        Series("desk", "temperature"),
    ]


@pytest.mark.parametrize(
    ("devices", "metrics", "parameter"),
    [
        ([], [], "device"),
        (["desk"], ["a", "b"], "metric"),
        (["de#sk"], ["a"], "device"),
        (["desk"], ["a/b"], "metric"),
        ([f"d{i}" for i in range(65)], ["m"] * 65, "device"),
    ],
)
def test_bad_series_are_refused(devices: list[str], metrics: list[str], parameter: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_series(devices, metrics, _metrics_of)
    assert caught.value.parameter == parameter
