"""A payload's `ts` → integer nanoseconds, with the limits of what a sensor's clock may say."""

import re
from datetime import UTC, datetime

import msgspec

from sensorline.errors import Rejected
from sensorline.settings import DecodingSettings, StoreSettings

EARLIEST_NS = 946_684_800_000_000_000
"""2000-01-01T00:00:00Z: an earlier time is a clock that was never set."""

IN_FUTURE = "time_in_future"
"""Why a reading is rejected whose time is further ahead than `TimeLimits.max_future_s`."""

_AHEAD = re.compile(r"ts is ([\d,]+) s ahead", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
"""RFC 3339, section 5.6 (date-time); a space for the T is allowed by its note, the offset is checked afterwards."""


class TimeLimits(msgspec.Struct, frozen=True):
    """How far a reading's own time may be from its received time, in seconds; `max_age_s` 0 sets no limit."""

    max_future_s: float = 300.0
    max_age_s: float = 0.0


def time_limits(decoding: DecodingSettings, store: StoreSettings) -> TimeLimits:
    """Return the limits that the settings amount to.

    The greatest age is an hour less than the retention, so that a late reading never finds the readings around it
    already deleted.
    """
    max_age_s = max(store.keep_raw_days * 86_400 - 3_600, 3_600) if store.keep_raw_days else 0.0
    return TimeLimits(decoding.max_future_s, max_age_s)


def parse_ts(value: object) -> int:
    """Return a `ts` in nanoseconds. Numbers are seconds, milliseconds, microseconds or nanoseconds by magnitude.

    Fractions of a number keep microseconds: a double has no more. Raises Rejected (`time_invalid`, `time_without_zone`).
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Rejected("time_invalid", f"ts is {_kind(value)}; expected a number or an RFC 3339 string")
    if isinstance(value, str):
        return parse_rfc3339(value)
    size = abs(value)
    # The borders: 1e11 s is the year 5138, 1e11 ms is 1973; so nothing that a sensor means is ambiguous.
    factor = 10**9 if size < 1e11 else 10**6 if size < 1e14 else 10**3 if size < 1e17 else 1
    if isinstance(value, int):
        return value * factor
    return round(value * (factor / 1000)) * 1000 if factor > 1 else int(value)


def parse_rfc3339(text: str) -> int:
    """Return an RFC 3339 date-time with an offset in nanoseconds. Raises Rejected."""
    match = _RFC3339.fullmatch(text.strip())
    if not match:
        raise Rejected(
            "time_invalid", f"ts {text[:40]!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z"
        )
    zone = match[8]
    if not zone:
        raise Rejected("time_without_zone", f"ts {text[:40]!r} has no offset; write …Z or …+02:00")
    try:
        # RFC 3339 allows second 60; the leap second is the same instant as the next second 0.
        seconds = min(int(match[6]), 59)
        base = datetime(*(int(match[i]) for i in (1, 2, 3, 4, 5)), seconds, tzinfo=UTC)  # type: ignore[misc,arg-type]  # five ints
        if int(match[6]) > 60:
            raise ValueError("second is above 60")
        offset_s = 0
        if zone not in "Zz":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if hours > 23 or minutes > 59:
                raise ValueError("offset is not a time of day")
            offset_s = (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
    except ValueError as exc:
        raise Rejected("time_invalid", f"ts {text[:40]!r}: {exc}") from exc
    whole_s = int(base.timestamp()) + int(match[6]) - seconds - offset_s
    return whole_s * 10**9 + int((match[7] or "0").ljust(9, "0"))


def check_time(time_ns: int, received_ns: int, limits: TimeLimits) -> int:
    """Return the time if a reading may have it. Raises Rejected (`time_before_2000`, `time_in_future`, `time_too_old`)."""
    if time_ns < EARLIEST_NS:
        raise Rejected("time_before_2000", f"ts is {_shown(time_ns)}; the device's clock seems not to be set")
    if time_ns > received_ns + limits.max_future_s * 1e9:
        # A JSON number may have hundreds of digits; far beyond a double there is nothing more to say.
        ahead_s = min(time_ns - received_ns, 10**30) / 1e9
        raise Rejected(
            "time_in_future",
            f"ts is {ahead_s:,.0f} s ahead of our clock; at most {limits.max_future_s:,.0f} s are allowed",
        )
    if limits.max_age_s and time_ns < received_ns - limits.max_age_s * 1e9:
        raise Rejected("time_too_old", f"ts is {_shown(time_ns)}, older than readings are kept")
    return time_ns


def seconds_ahead(detail: str) -> int | None:
    """Return how far a reading's time was ahead, by the detail of a reject for IN_FUTURE; None if that does not say it."""
    match = _AHEAD.search(detail)
    return int(match[1].replace(",", "")) if match else None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return {bool: "true or false", list: "an array", dict: "an object"}.get(type(value), type(value).__name__)


def _shown(time_ns: int) -> str:
    try:
        return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{time_ns} ns"
