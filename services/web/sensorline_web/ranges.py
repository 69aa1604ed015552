"""What a query asks for: series, range and number of points, from its parameters. Every complaint is a QueryError."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec
from werkzeug.datastructures import MultiDict

from sensorline import topics
from sensorline.decoders.times import parse_rfc3339
from sensorline.errors import QueryError, Rejected
from sensorline.reading import Series
from sensorline.stores.buckets import MAX_POINTS

SERIES_MAX = 64
DEFAULT_POINTS = 800

LATEST_NS = 2**63 - 1
"""2262-04-11: integer nanoseconds beyond it do not fit in 64 bits."""

_RELATIVE = re.compile(r"now(?:-([0-9]{1,9})([smhdwy]))?", re.ASCII)
_EPOCH_MS = re.compile(r"[0-9]{1,14}(\.[0-9]{1,9})?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LOST_PLUS = re.compile(r"(.*) (\d\d:\d\d)", re.ASCII)


class Range(msgspec.Struct, frozen=True):
    """start_ns ≤ time < end_ns. `is_fixed` tells that neither end moves with the clock."""

    start_ns: int
    end_ns: int
    is_fixed: bool


def parse_instant(parameter: str, text: str, now_ns: int) -> int:
    """Return a time in nanoseconds: RFC 3339 with an offset, epoch milliseconds, `now` or `now-6h` (s, m, h, d, w, y).

    A year is 365 days. Raises QueryError that names `parameter`.
    """
    text = text.strip()
    if match := _RELATIVE.fullmatch(text):
        ago_s = int(match[1]) * _UNIT_S[match[2]] if match[1] else 0
        return max(now_ns - ago_s * 10**9, 0)
    if _EPOCH_MS.fullmatch(text):
        return _check_instant(parameter, text, int(Decimal(text) * 1_000_000))
    if match := _LOST_PLUS.fullmatch(text):
        # In a query a plus sign means a space: `+02:00` that was not written as %2B02:00.
        text = f"{match[1]}+{match[2]}"
    try:
        return _check_instant(parameter, text, parse_rfc3339(text))
    except Rejected:
        raise QueryError(
            parameter,
            f"{text[:60]!r} is no time; expected RFC 3339 with an offset, epoch milliseconds, now, or now-6h",
        ) from None


def _check_instant(parameter: str, text: str, time_ns: int) -> int:
    if not 0 <= time_ns <= LATEST_NS:
        raise QueryError(parameter, f"{text[:60]!r} is not between 1970 and 2262")
    return time_ns


def check_names(args: Mapping[str, str], once: Sequence[str], repeated: Sequence[str] = ()) -> None:
    """Raise QueryError for a parameter that the route does not know, or that is given twice and may be once.

    A slip such as `max_point=10` would otherwise be obeyed by nobody and noticed by nobody.
    """
    for name in args:
        if name not in once and name not in repeated:
            raise QueryError(
                name[:40], f"not a parameter here; there are {', '.join([*once, *repeated]) or 'none'}"
            )
        if name in once and isinstance(args, MultiDict) and len(args.getlist(name)) > 1:
            raise QueryError(name, "given more than once")


def parse_range(args: Mapping[str, str], now_ns: int, default_from: str = "now-1h") -> Range:
    """Return the range of `from` and `to`, which is `now` when it is not given. Raises QueryError."""
    from_text = args.get("from") or default_from
    to_text = args.get("to") or "now"
    start_ns = parse_instant("from", from_text, now_ns)
    end_ns = parse_instant("to", to_text, now_ns)
    if start_ns >= end_ns:
        raise QueryError("from", "the range is empty: from is not before to")
    return Range(start_ns, end_ns, not (_is_relative(from_text) or _is_relative(to_text)))


def _is_relative(text: str) -> bool:
    return text.strip().startswith("now")


def parse_max_points(args: Mapping[str, str], default: int = DEFAULT_POINTS) -> int:
    """Return `max_points`, 1 … 10,000. Raises QueryError."""
    return parse_whole(args, "max_points", default, MAX_POINTS)


def parse_whole(args: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return a parameter that is a whole number, 1 … `most`, or the default. Raises QueryError."""
    text = args.get(name)
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise QueryError(name, f"{text[:20]!r} is not a whole number from 1 to {most:,}")
    return int(text)


def parse_series(
    devices: Sequence[str], metrics: Sequence[str], metrics_of: Callable[[str], Sequence[str]]
) -> list[Series]:
    """Return the series that `device` and `metric` name: pairs by position, or every metric of each device.

    `metrics_of` tells the metrics of a device. Each series comes once, in order. Raises QueryError.
    """
    if not devices:
        raise QueryError("device", "no device is given")
    if metrics and len(metrics) != len(devices):
        raise QueryError(
            "metric",
            f"{len(devices)} device and {len(metrics)} metric parameters; they are pairs by position, or give devices only",
        )
    names = [_name("device", device, topics.check_device) for device in devices[: SERIES_MAX + 1]]
    if metrics:
        pairs = zip(names, metrics, strict=False)
        found = [Series(device, _name("metric", metric, topics.check_metric)) for device, metric in pairs]
    else:
        found = [Series(device, metric) for device in names for metric in metrics_of(device)]
    unique = list(dict.fromkeys(found))
    if len(unique) > SERIES_MAX:
        raise QueryError("device", f"more than {SERIES_MAX} series in one request")
    return unique


def _name(parameter: str, text: str, check: Callable[[str], str]) -> str:
    try:
        return check(text)
    except Rejected as exc:
        raise QueryError(parameter, exc.detail) from None
