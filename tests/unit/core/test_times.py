"""`ts` → integer nanoseconds, and the limits of what a clock may say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorline.decoders.times import TimeLimits, check_time, parse_rfc3339, parse_ts
from sensorline.errors import Rejected

NOW_NS = 1_790_000_000_123_000_000


def reason(value: object) -> str:
    with pytest.raises(Rejected) as caught:
        parse_ts(value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("ts", "time_ns"),
    [
        (1_790_000_000, 1_790_000_000_000_000_000),
        (1_790_000_000_123, 1_790_000_000_123_000_000),
        (1_790_000_000_123_456, 1_790_000_000_123_456_000),
        (1_790_000_000_123_456_789, 1_790_000_000_123_456_789),
        (1_790_000_000.5, 1_790_000_000_500_000_000),
        (1_790_000_000.123456, 1_790_000_000_123_456_000),
        (1_790_000_000_123.456, 1_790_000_000_123_456_000),
        (1_790_000_000_123_456.0, 1_790_000_000_123_456_000),
        (1.79e9, 1_790_000_000_000_000_000),
        (99_999_999_999, 99_999_999_999 * 10**9),
        (100_000_000_000, 100_000_000_000 * 10**6),
        (99_999_999_999_999, 99_999_999_999_999 * 10**6),
        (100_000_000_000_000, 100_000_000_000_000 * 10**3),
        (99_999_999_999_999_999, 99_999_999_999_999_999 * 10**3),
        (100_000_000_000_000_000, 100_000_000_000_000_000),
        (0, 0),
        (-5, -5 * 10**9),
    ],
)
def test_a_number_is_seconds_to_nanoseconds_by_its_magnitude(ts: float, time_ns: int) -> None:
    assert parse_ts(ts) == time_ns


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000_000_000),
        ("2026-01-31t12:00:00z", 1_769_860_800_000_000_000),
        ("2026-01-31 12:00:00Z", 1_769_860_800_000_000_000),
        (" 2026-01-31T12:00:00Z\n", 1_769_860_800_000_000_000),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800_000_000_000),
        ("2026-01-31T06:30:00-05:30", 1_769_860_800_000_000_000),
        ("2026-01-31T12:00:00-00:00", 1_769_860_800_000_000_000),
        ("2026-01-31T12:00:00.1Z", 1_769_860_800_100_000_000),
        ("2026-01-31T12:00:00.123456789Z", 1_769_860_800_123_456_789),
        ("2026-01-31T12:00:00.1234567899999Z", 1_769_860_800_123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("2016-12-31T23:59:60.5Z", 1_483_228_800_500_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000_000),
    ],
)
def test_text_is_an_rfc_3339_time_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert parse_ts(text) == time_ns


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        [],
        {},
        "",
        "now",
        "1790000000",
        "2026-01-31",
        "2026-01-31T12:00Z",
        "2026-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00Z and more",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-01-31T12:00:00Z",
    ],
)
def test_anything_else_is_no_time(value: object) -> None:
    assert reason(value) == "time_invalid"


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "2026-01-31 12:00:00.5"])
def test_a_time_without_an_offset_is_refused_because_nobody_knows_whose_it_is(text: str) -> None:
    assert reason(text) == "time_without_zone"


_INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
_OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@given(_INSTANTS, _OFFSETS, st.integers(0, 999))
def test_every_instant_in_every_zone_comes_back(instant: datetime, offset_min: int, last_ns: int) -> None:
    local = instant.astimezone(timezone(timedelta(minutes=offset_min)))
    sign, minutes = "-" if offset_min < 0 else "+", abs(offset_min)
    zone = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    text = f"{local:%m-%dT%H:%M:%S}.{local.microsecond:06}{last_ns:03}{zone}"
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000 + last_ns
    assert parse_rfc3339(f"{local.year:04}-{text}") == expected


@given(st.integers(946_684_800_000_000, 4_000_000_000_000_000))
def test_a_float_of_seconds_or_milliseconds_keeps_microseconds(time_us: int) -> None:
    assert parse_ts(time_us / 1e6) == time_us * 1000
    if time_us >= 10**14:
        assert abs(parse_ts(time_us / 1e3) - time_us * 1000) <= 1000


@pytest.mark.parametrize(
    ("time_ns", "limits", "expected"),
    [
        (946_684_799_999_999_999, TimeLimits(), "time_before_2000"),
        (-(10**400), TimeLimits(), "time_before_2000"),
        (NOW_NS + 300 * 10**9 + 1000, TimeLimits(), "time_in_future"),
        (10**400, TimeLimits(), "time_in_future"),
        (NOW_NS + 2 * 10**9, TimeLimits(max_future_s=1), "time_in_future"),
        (NOW_NS - 61 * 10**9, TimeLimits(max_age_s=60), "time_too_old"),
    ],
)
def test_a_time_outside_the_limits_has_its_reason(time_ns: int, limits: TimeLimits, expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_time(time_ns, NOW_NS, limits)
    assert caught.value.reason == expected


@pytest.mark.parametrize(
    ("time_ns", "limits"),
    [
        (946_684_800_000_000_000, TimeLimits()),
        (NOW_NS + 299 * 10**9, TimeLimits()),
        (NOW_NS + 3599 * 10**9, TimeLimits(max_future_s=3600)),
        (NOW_NS - 59 * 10**9, TimeLimits(max_age_s=60)),
    ],
)
def test_a_time_inside_the_limits_stays(time_ns: int, limits: TimeLimits) -> None:
    assert check_time(time_ns, NOW_NS, limits) == time_ns
