"""Times at the edges: integer nanoseconds ↔ epoch milliseconds and RFC 3339."""

from collections.abc import Sequence
from datetime import UTC, datetime

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000


def to_ms(time_ns: int) -> int | float:
    """Return epoch milliseconds: an integer when whole, else the nearest double (about 0.0002 ms today)."""
    whole, rest = divmod(time_ns, MS_NS)
    return time_ns / MS_NS if rest else whole


def to_ms_or_none(time_ns: int | None) -> int | float | None:
    """Return epoch milliseconds, or None for an unknown time."""
    return None if time_ns is None else to_ms(time_ns)


def all_to_ms(times_ns: Sequence[int]) -> list[int | float]:
    """Return epoch milliseconds of a column."""
    return [time_ns / MS_NS if time_ns % MS_NS else time_ns // MS_NS for time_ns in times_ns]


def second_text(second: int) -> str:
    """Return an RFC 3339 time in UTC without its fraction and zone, for a whole second since 1970."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def compact_text(time_ns: int) -> str:
    """Return a time in UTC as file names have it, such as 20260131T120000Z."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime("%Y%m%dT%H%M%SZ")
