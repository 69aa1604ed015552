"""Columns of numbers as few bytes, bit for bit: times and values of readings, and whole numbers.

Neighbours in a column differ little. So a column is kept as differences in the smallest whole number type that holds them all, the
lowest bytes of all of them first, then the next ones (byte planes), which zlib then makes small. A value with few decimals,
as sensors have them, is a whole number divided by a power of ten; where one value of a column is not, the column
is kept as doubles. Only the standard library is at hand: array, struct and zlib do the work a number at a time in C.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub

_TYPES = (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31))
_WIDTHS = {ord(code): array(code).itemsize for code in "bhiq"}
_UNITS_NS = (10**6, 10**3, 1)
_FIRST = struct.Struct("<Bq")

MAX_DECIMALS = 6
DOUBLES = 255
"""The mark of a column of values that is kept as doubles."""

_EXACT = float(2**51)
_WHOLE = float(2**52 + 2**51)
"""Added to a double below 2^51, this leaves no room for a fraction: it rounds, and the lowest bits are the whole number (IEEE 754,
section 3.4). It takes less than half the time of round()."""
_WHOLE_BITS = int.from_bytes(struct.pack(">d", _WHOLE), "big")
_SCALES = tuple(10.0**decimals for decimals in range(MAX_DECIMALS + 1))
_SAMPLE = 8


def _planes(column: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    raw, width = column.tobytes(), column.itemsize
    return raw if width == 1 else b"".join([raw[k::width] for k in range(width)])


def _from_planes(code: str, width: int, data: bytes, at: int, n: int) -> "array[int]":
    raw = bytearray(n * width)
    for k in range(width):
        raw[k::width] = data[at + k * n : at + (k + 1) * n]
    column = array(code, bytes(raw))
    if sys.byteorder == "big":
        column.byteswap()
    return column


def pack_ints(numbers: Sequence[int]) -> bytes:
    """Return whole numbers (64 bits) as bytes. Raises OverflowError for larger ones."""
    if not numbers:
        return b""
    low, high = min(numbers), max(numbers)
    code = next((code for code, limit in _TYPES if -limit <= low and high < limit), "q")
    return code.encode() + _planes(array(code, numbers))


def unpack_ints(data: bytes, at: int, n: int) -> tuple["array[int]", int]:
    """Return `n` whole numbers of `data` from `at` on, and where they end. Raises ValueError if that is none."""
    if not n:
        return array("q"), at
    width = _WIDTHS.get(data[at])
    if width is None or at + 1 + n * width > len(data):
        raise ValueError("a column of whole numbers is cut off")
    return _from_planes(chr(data[at]), width, data, at + 1, n), at + 1 + n * width


def differences(numbers: Sequence[int]) -> list[int]:
    """Return each number's difference to the one before; there is one less of them."""
    # A list has its numbers as objects already; an array makes each of them anew.
    numbers = list(numbers)
    return list(map(sub, numbers[1:], numbers))


def pack_times(times_ns: Sequence[int]) -> bytes:
    """Return times in nanoseconds as bytes: in whole milliseconds or microseconds if they all are."""
    if not times_ns:
        return b""
    steps = differences(times_ns)
    total = sum(steps)
    for index, unit_ns in enumerate(_UNITS_NS):
        whole = steps if unit_ns == 1 else [step // unit_ns for step in steps]
        # Rounding down makes each one smaller or leaves it: the sums are equal only if all are.
        if unit_ns == 1 or sum(whole) * unit_ns == total:
            return _FIRST.pack(index, times_ns[0]) + pack_ints(whole)
    raise AssertionError("nanoseconds are whole")


def unpack_times(data: bytes, at: int, n: int) -> tuple["array[int]", int]:
    """Return `n` times of `data` from `at` on, and where they end. Raises ValueError, struct.error."""
    if not n:
        return array("q"), at
    index, first = _FIRST.unpack_from(data, at)
    if index >= len(_UNITS_NS):
        raise ValueError(f"{index} is no unit of time")
    steps, end = unpack_ints(data, at + _FIRST.size, n - 1)
    unit_ns = _UNITS_NS[index]
    scaled: Iterable[int] = steps if unit_ns == 1 else [step * unit_ns for step in steps]
    return array("q", accumulate(scaled, initial=first)), end


def pack_values(values: "array[float]") -> bytes:
    """Return values as bytes; the first one says how many decimals they have, or DOUBLES."""
    if not values:
        return b""
    scaled = _scaled(values)
    if scaled is None:
        return bytes((DOUBLES,)) + _planes(values[:])
    decimals, whole = scaled
    return _FIRST.pack(decimals, whole[0] - _WHOLE_BITS) + pack_ints(differences(whole))


def unpack_values(data: bytes, at: int, n: int) -> tuple["array[float]", int]:
    """Return `n` values of `data` from `at` on, and where they end. Raises ValueError, struct.error."""
    if not n:
        return array("d"), at
    if data[at] == DOUBLES:
        end = at + 1 + 8 * n
        if end > len(data):
            raise ValueError("a column of values is cut off")
        return array("d", _from_planes("q", 8, data, at + 1, n).tobytes()), end
    decimals, first = _FIRST.unpack_from(data, at)
    if decimals > MAX_DECIMALS:
        raise ValueError(f"{decimals} is no number of decimals")
    steps, end = unpack_ints(data, at + _FIRST.size, n - 1)
    scale = _SCALES[decimals]
    return array("d", [whole / scale for whole in accumulate(steps, initial=first)]), end


def _scaled(values: "array[float]") -> tuple[int, "array[int]"] | None:
    """Return the fewest decimals that all values have, and the values times ten to that power; None if it is not exact.

    The whole numbers are still _WHOLE_BITS too large, all alike.
    """
    low, high = min(values), max(values)
    largest = max(-low, high)
    raw = values.tobytes()
    sample = values[:_SAMPLE]
    for decimals, scale in enumerate(_SCALES):
        # The comparison is false for not-a-number too.
        if not largest * scale < _EXACT:
            break
        if any((value * scale + _WHOLE - _WHOLE) / scale != value for value in sample):
            continue
        shifted = [value * scale + _WHOLE for value in values]
        # Compared as bytes: -0.0 equals 0.0 and is another value.
        if array("d", [(number - _WHOLE) / scale for number in shifted]).tobytes() == raw:
            return decimals, array("q", array("d", shifted).tobytes())
    return None
