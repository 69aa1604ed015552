"""How wide a bucket is for a range and a number of points: the same for every store.

A width is one that people read on a clock, and buckets begin at its multiples since 1970, so that a window that slides
keeps its buckets.
"""

from sensorline.errors import QueryError

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
HALF_DAY_NS = 12 * HOUR_NS

MAX_POINTS = 10_000

_WIDTHS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200),
    *(86400, 2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400),
)
WIDTHS_NS = tuple(int(width_s * 10**9) for width_s in _WIDTHS_S)


def check_range(start_ns: int, end_ns: int, max_points: int) -> None:
    """Raise QueryError unless the range has an inside and max_points is 1 … 10,000."""
    if not 1 <= max_points <= MAX_POINTS:
        raise QueryError("max_points", f"{max_points} is not between 1 and {MAX_POINTS:,}")
    if start_ns >= end_ns:
        raise QueryError("from", "the range is empty: from is not before to")


def bucket_width(start_ns: int, end_ns: int, max_points: int, at_least_ns: int = 1) -> int:
    """Return the narrowest width, in nanoseconds, whose aligned buckets over the range are at most `max_points`."""
    for width_ns in WIDTHS_NS:
        if width_ns >= at_least_ns and _count(start_ns, end_ns, width_ns) <= max_points:
            return width_ns
    width_ns = WIDTHS_NS[-1]
    while _count(start_ns, end_ns, width_ns) > max_points:
        width_ns *= 2
        if width_ns > end_ns:
            # One aligned bucket from 1970 on holds everything; two can be needed only by a border inside the range.
            return width_ns if _count(start_ns, end_ns, width_ns) <= max_points else end_ns + 1
    return width_ns


def _count(start_ns: int, end_ns: int, width_ns: int) -> int:
    return (end_ns - 1) // width_ns - start_ns // width_ns + 1
