"""What most messages of the native family are, decoded without a detour: into exactly what native.decode() makes of them.

A number, `{"value":…,"ts":…,"seq":…,"unit":…}`, an array of such objects, the object of a device, or an array of those. Everything
else is `NotPlain`, also what looks plain and is wrong: then native.decode() finds out and says why. A test with
arbitrary payloads holds both to one result.
"""

from typing import Any

import msgspec

from sensorline.decoders.base import READINGS_MAX
from sensorline.decoders.times import EARLIEST_NS, TimeLimits, parse_ts
from sensorline.decoders.values import SEQ_MAX, WORDS, to_number
from sensorline.reading import Readings, Series

_MS = 10**6
_MARGIN_MS = 1
"""check_time() reckons with doubles; so close to a limit it decides itself."""


class NotPlain(Exception):
    """The message needs a second look; nothing of it has been taken."""


class Value(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The object of one value. Others may have members besides (`wider_value`): they are decoded too, to be judged as JSON."""

    value: float
    ts: int | float | str | None = None
    unit: str | None = None
    # As a float too, so that 5.0 is seen to be no integer.
    seq: int | float | None = None


decode_metric = msgspec.json.Decoder(Value | float | list[Value]).decode
"""Payload of a metric's topic → one of the three; raises what msgspec raises for everything else."""
decode_object = msgspec.json.Decoder().decode

_NUMBERS = frozenset((int, float))
_OWN_NAMES = ("value", "ts", "unit", "seq")


class Window:
    """Which times of their own plain messages may have: `earliest_ms` to `latest_ms` beside the received time."""

    def __init__(self, limits: TimeLimits) -> None:
        self._future_ms = int(limits.max_future_s * 1000) - _MARGIN_MS
        self._past_ms = int(limits.max_age_s * 1000) - _MARGIN_MS
        self._has_past = bool(limits.max_age_s)
        self.received_ns = -1
        self.earliest_ms = self.latest_ms = 0

    def move(self, received_ns: int) -> None:
        """Set both ends for messages that were received then."""
        self.received_ns = received_ns
        received_ms = received_ns // _MS
        # Within these, a whole number of milliseconds can be nothing else: seconds are smaller, microseconds larger.
        self.earliest_ms = EARLIEST_NS // _MS
        if self._has_past:
            self.earliest_ms = max(self.earliest_ms, received_ms - self._past_ms)
        self.latest_ms = min(received_ms + self._future_ms, 10**14 - 1)

    def time_ns(self, ts: object) -> int:
        """Return any `ts` in nanoseconds. Raises NotPlain or Rejected for what is no plain time."""
        if type(ts) is int and self.earliest_ms <= ts <= self.latest_ms:
            return ts * _MS
        time_ns = parse_ts(ts)
        if not self.earliest_ms * _MS <= time_ns <= self.latest_ms * _MS:
            raise NotPlain
        return time_ns


def plain_seq(seq: object) -> int:
    """Return a running number that is one. Raises NotPlain."""
    if type(seq) is not int or not 0 <= seq <= SEQ_MAX:
        raise NotPlain
    return seq


Columns = tuple[list[int], list[float], list[int]]
"""Times in ns, values, and the running numbers of those items that have one."""


def array_columns(items: list[Value], received_ns: int, window: Window, unit: str | None) -> Columns:
    """Return what an array on a metric's topic says; `unit` is the one that the series is known to have.

    Raises NotPlain or Rejected.
    """
    if not 0 < len(items) <= READINGS_MAX:
        raise NotPlain
    times: list[int] = []
    seqs: list[int] = []
    earliest_ms, latest_ms = window.earliest_ms, window.latest_ms
    for item in items:
        if item.unit is not None and item.unit != unit:
            raise NotPlain
        if item.seq is not None:
            seqs.append(plain_seq(item.seq))
        ts = item.ts
        if type(ts) is int and earliest_ms <= ts <= latest_ms:
            times.append(ts * _MS)
        else:
            times.append(received_ns if ts is None else window.time_ns(ts))
    return times, [item.value for item in items], seqs


def wider_value(payload: bytes) -> Value:
    """Return a value's object that has other members beside ours. Raises for what is not plain."""
    content = decode_object(payload)
    if type(content) is not dict or type(content.get("value")) not in _NUMBERS:
        raise NotPlain
    return msgspec.convert({name: content[name] for name in _OWN_NAMES if name in content}, Value)


def take_object(
    payload: bytes, series_of: dict[str, Series], received_ns: int, window: Window, out: Readings
) -> tuple[list[int], int]:
    """Append what an object of a device says, or an array of them; return the running numbers, and how many members
    were ignored.

    `series_of` has the metrics that are known already. Raises for what is not plain; then nothing was appended.
    """
    content = decode_object(payload)
    seqs: list[int] = []
    if type(content) is dict:
        series, time_ns, values, ignored = _object_columns(content, series_of, received_ns, window, seqs)
        out.series += series
        out.time_ns += [time_ns] * len(values)
        out.value += values
        return seqs, ignored
    if type(content) is not list or not 0 < len(content) <= READINGS_MAX:
        raise NotPlain
    all_series: list[Series] = []
    times: list[int] = []
    numbers: list[float] = []
    all_ignored = 0
    for item in content:
        if type(item) is not dict:
            raise NotPlain
        series, time_ns, values, ignored = _object_columns(item, series_of, received_ns, window, seqs)
        all_series += series
        times += [time_ns] * len(values)
        numbers += values
        all_ignored += ignored
    if len(numbers) > READINGS_MAX:
        raise NotPlain
    out.series += all_series
    out.time_ns += times
    out.value += numbers
    return seqs, all_ignored


def _object_columns(
    item: dict[str, Any], series_of: dict[str, Series], received_ns: int, window: Window, seqs: list[int]
) -> tuple[list[Series], int, list[float], int]:
    """Take a decoded object apart, and note its running number."""
    size = len(item)
    if size > READINGS_MAX:
        raise NotPlain
    ts, seq = item.pop("ts", None), item.pop("seq", None)
    if not _NUMBERS.issuperset(map(type, item.values())):
        members = len(item)
        item = {name: number for name, member in item.items() if (number := _member(member)) is not None}
        ignored = members - len(item)
    else:
        ignored = 0
    if not item:
        raise NotPlain
    # A name that is not known here raises KeyError, a number that no double holds OverflowError.
    series = [*map(series_of.__getitem__, item)]
    values = [*map(float, item.values())]
    time_ns = received_ns if ts is None else window.time_ns(ts)
    if seq is not None:
        seqs.append(plain_seq(seq))
    return series, time_ns, values, ignored


def _member(member: Any) -> float | None:
    """Return a member's number, or None for one that is ignored. Raises NotPlain or Rejected."""
    kind = type(member)
    if kind in _NUMBERS or kind is bool:
        return float(member)
    if kind is str:
        number = WORDS.get(member.strip().lower())
        if number is not None:
            return number
        # Most text beside numbers is a name or a mode, and cannot even begin a number, NaN or Infinity.
        return None if member[:1].isalpha() and member[:1] not in "nNiI" else to_number(member)
    if kind is dict and "value" in member:
        raise NotPlain
    return None
