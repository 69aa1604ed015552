"""Rollups: the number, least, mean and greatest value of windows of one series, in columns.

Readings are in one place only, so the rollups of places add up: of blocks, of a day, of what is not sealed yet.
"""

import math
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import mul

import msgspec

from sensorline.stores.journal.codec import Damaged
from sensorline.stores.packing import (
    DOUBLES,
    differences,
    pack_ints,
    pack_values,
    unpack_ints,
    unpack_values,
)
from sensorline.stores.sqlite.blocks import NO_DECIMALS, Column

_HEAD = struct.Struct("<BII")
_COMPRESSED, _SUMS = 1, 2
_COMPRESS_FROM = 64
_WHOLE_BELOW = 2.0**51


class Rollups(msgspec.Struct, gc=False):
    """Windows that have readings, in order. `window` counts widths since 1970; lists have one length."""

    window: list[int] = []
    n: list[int] = []
    low: list[float] = []
    mean: list[float] = []
    high: list[float] = []

    def cut(self, first: int, behind: int) -> "Rollups":
        """Return the windows of first ≤ window < behind."""
        i, j = bisect_left(self.window, first), bisect_left(self.window, behind)
        if i == 0 and j == len(self.window):
            return self
        return Rollups(self.window[i:j], self.n[i:j], self.low[i:j], self.mean[i:j], self.high[i:j])


def of_readings(column: Column, width_ns: int, decimals: int = NO_DECIMALS) -> Rollups:
    """Return the rollups of readings in order of time.

    With `decimals`, sums are rounded to as many: that is what the sum of such values is, and it takes few bytes.
    """
    times_ns, values = column
    out = Rollups()
    scale = 10.0**decimals if decimals != NO_DECIMALS else 0.0
    i, count = 0, len(values)
    while i < count:
        window = times_ns[i] // width_ns
        j = bisect_left(times_ns, (window + 1) * width_ns, i + 1)
        inside = values[i:j]
        low, high = min(inside), max(inside)
        out.window.append(window)
        out.n.append(j - i)
        out.low.append(low)
        out.mean.append(_mean(inside, low, high, scale))
        out.high.append(high)
        i = j
    return out


def _mean(values: Sequence[float], low: float, high: float, scale: float) -> float:
    n = len(values)
    try:
        total = math.fsum(values)
        if scale and math.isfinite(total * scale):
            total = round(total * scale) / scale
        mean = total / n
    except OverflowError:
        # The sum is beyond a double; the mean is not.
        mean = math.fsum([value / n for value in values])
    # Rounding must not lead a mean out of its window.
    return min(max(mean, low), high)


def fold(parts: Iterable[Rollups], factor: int = 1) -> Rollups:
    """Return several rollups of one width as one, in windows `factor` times as wide."""
    parts = [part for part in parts if part.window]
    if len(parts) == 1 and factor == 1:
        return parts[0]
    window, n, low, mean, high = _joined(parts)
    if factor != 1:
        window = [number // factor for number in window]
    out = Rollups()
    i, count = 0, len(window)
    while i < count:
        number = window[i]
        j = i + 1
        while j < count and window[j] == number:
            j += 1
        out.window.append(number)
        if j == i + 1:
            out.n.append(n[i])
            out.low.append(low[i])
            out.mean.append(mean[i])
            out.high.append(high[i])
        else:
            total, least, most = sum(n[i:j]), min(low[i:j]), max(high[i:j])
            out.n.append(total)
            out.low.append(least)
            out.mean.append(_mean_of_means(mean[i:j], n[i:j], total, least, most))
            out.high.append(most)
        i = j
    return out


def _joined(
    parts: list[Rollups],
) -> tuple[list[int], list[int], list[float], list[float], list[float]]:
    parts.sort(key=lambda part: part.window[0])
    window: list[int] = []
    n: list[int] = []
    low: list[float] = []
    mean: list[float] = []
    high: list[float] = []
    in_order = True
    for part in parts:
        in_order = in_order and (not window or window[-1] <= part.window[0])
        window += part.window
        n += part.n
        low += part.low
        mean += part.mean
        high += part.high
    if not in_order:
        order = sorted(range(len(window)), key=window.__getitem__)
        window, n = [window[i] for i in order], [n[i] for i in order]
        low, mean, high = [low[i] for i in order], [mean[i] for i in order], [high[i] for i in order]
    return window, n, low, mean, high


def _mean_of_means(
    means: Sequence[float], counts: Sequence[int], total: int, low: float, high: float
) -> float:
    mean: float = sum(map(mul, means, counts)) / total
    if not math.isfinite(mean):
        mean = math.fsum([part * (n / total) for part, n in zip(means, counts, strict=True)])
    return min(max(mean, low), high)


def pack(rollups: Rollups) -> bytes:
    """Return rollups as bytes."""
    lows = pack_values(array("d", rollups.low))
    sums, flags = _sums(rollups, lows[0] if lows else DOUBLES), _SUMS
    if sums is None:
        sums, flags = array("d", rollups.mean), 0
    first = rollups.window[:1]
    data = b"".join(
        (
            pack_ints(first),
            pack_ints(differences(rollups.window)),
            pack_ints(rollups.n),
            lows,
            pack_values(array("d", rollups.high)),
            pack_values(sums),
        )
    )
    if len(data) >= _COMPRESS_FROM:
        compressed = zlib.compress(data, 1)
        if len(compressed) < len(data):
            data, flags = compressed, flags | _COMPRESSED
    return _HEAD.pack(flags, zlib.crc32(data), len(rollups.window)) + data


def _sums(rollups: Rollups, decimals: int) -> "array[float] | None":
    """Return the sums of the windows, with few decimals, if the means are exactly what they lead to."""
    if decimals == DOUBLES:
        return None
    scale = 10.0**decimals
    sums = array("d")
    for n, low, mean, high in zip(rollups.n, rollups.low, rollups.mean, rollups.high, strict=True):
        scaled = mean * n * scale
        if not abs(scaled) < _WHOLE_BELOW:
            return None
        total = round(scaled) / scale
        if min(max(total / n, low), high) != mean:
            return None
        sums.append(total)
    return sums


def unpack(body: bytes) -> Rollups:
    """Return the rollups that were packed. Raises Damaged."""
    try:
        flags, checksum, count = _HEAD.unpack_from(body)
        data = body[_HEAD.size :]
        if zlib.crc32(data) != checksum:
            raise Damaged("rollups have a wrong checksum")
        if not count:
            return Rollups()
        if flags & _COMPRESSED:
            data = zlib.decompress(data)
        first, at = unpack_ints(data, 0, 1)
        steps, at = unpack_ints(data, at, count - 1)
        n, at = unpack_ints(data, at, count)
        lows, at = unpack_values(data, at, count)
        highs, at = unpack_values(data, at, count)
        means, at = unpack_values(data, at, count)
    except (ValueError, IndexError, struct.error, zlib.error) as exc:
        raise Damaged(f"rollups cannot be unpacked: {exc}") from exc
    out = Rollups(
        list(accumulate(steps, initial=first[0])), n.tolist(), lows.tolist(), means.tolist(), highs.tolist()
    )
    if flags & _SUMS:
        out.mean = [
            min(max(total / count, low), high)
            for total, count, low, high in zip(means, out.n, out.low, out.high, strict=True)
        ]
    return out
