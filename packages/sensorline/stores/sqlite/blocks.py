"""Blocks: readings of one series in order of time, compressed, bit for bit.

A block's body is one or more frames, one after the other: what is in order is joined by joining bytes. A frame has its
length, a checksum, the number of readings, and the times of the first and the last, so that frames nobody asks for are not unpacked.
"""

import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from sensorline.stores.journal.codec import Damaged
from sensorline.stores.packing import DOUBLES, pack_times, pack_values, unpack_times, unpack_values

_HEAD = struct.Struct("<BIIIqq")
_PLAIN, _COMPRESSED = 1, 2

READINGS_PER_BLOCK = 4_096
"""More readings than this become several blocks: unpacking one takes about a millisecond."""

NO_DECIMALS = -1

Column = tuple["array[int]", "array[float]"]
"""Times in nanoseconds and values."""


class Block(NamedTuple):
    """A body with what is kept beside it: the number of its readings, the times of the first and the last."""

    n: int
    first_ns: int
    last_ns: int
    body: bytes


def pack(times_ns: "array[int]", values: "array[float]") -> tuple[Block, int]:
    """Return readings, in order of time and at least one, as a block of one frame, and how many decimals they have."""
    packed_values = pack_values(values)
    data = pack_times(times_ns) + packed_values
    compressed = zlib.compress(data, 1)
    kind = _PLAIN
    if len(compressed) < len(data):
        data, kind = compressed, _COMPRESSED
    n, first_ns, last_ns = len(values), times_ns[0], times_ns[-1]
    checksum = zlib.crc32(data, zlib.crc32(struct.pack("<Iqq", n, first_ns, last_ns)))
    body = _HEAD.pack(kind, len(data), checksum, n, first_ns, last_ns) + data
    decimals = NO_DECIMALS if packed_values[0] == DOUBLES else packed_values[0]
    return Block(n, first_ns, last_ns, body), decimals


def frames(body: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield where each frame begins, its number of readings, its first and its last time. Raises Damaged."""
    at = 0
    while at < len(body):
        try:
            kind, length, _, n, first_ns, last_ns = _HEAD.unpack_from(body, at)
        except struct.error as exc:
            raise Damaged("a block is cut off") from exc
        if kind not in (_PLAIN, _COMPRESSED):
            raise Damaged(f"a block has a frame of the unknown kind {kind}")
        yield at, n, first_ns, last_ns
        at += _HEAD.size + length
    if at != len(body):
        raise Damaged("a block is cut off")


def frame_count(body: bytes) -> int:
    """Return how many frames a block has. Raises Damaged."""
    return sum(1 for _ in frames(body))


def unpack(body: bytes, start_ns: int = -(2**63), end_ns: int = 2**63) -> Column:
    """Return the readings of start_ns ≤ time < end_ns. Raises Damaged where a checksum is wrong."""
    times_ns, values = array("q"), array("d")
    for at, n, first_ns, last_ns in frames(body):
        if last_ns < start_ns or first_ns >= end_ns:
            continue
        frame = _unpack_frame(body, at, n)
        if first_ns < start_ns or last_ns >= end_ns:
            frame = cut(frame, start_ns, end_ns)
        times_ns += frame[0]
        values += frame[1]
    return times_ns, values


def _unpack_frame(body: bytes, at: int, n: int) -> Column:
    kind, length, checksum, n, first_ns, last_ns = _HEAD.unpack_from(body, at)
    data = body[at + _HEAD.size : at + _HEAD.size + length]
    if zlib.crc32(data, zlib.crc32(struct.pack("<Iqq", n, first_ns, last_ns))) != checksum:
        raise Damaged("a block has a wrong checksum")
    try:
        if kind == _COMPRESSED:
            data = zlib.decompress(data)
        times_ns, end = unpack_times(data, 0, n)
        values, _ = unpack_values(data, end, n)
    except (ValueError, IndexError, OverflowError, struct.error, zlib.error) as exc:
        raise Damaged(f"a block cannot be unpacked: {exc}") from exc
    return times_ns, values


def cut(column: Column, start_ns: int, end_ns: int) -> Column:
    """Return the readings of start_ns ≤ time < end_ns of a column in order of time."""
    times_ns, values = column
    first, behind = bisect_left(times_ns, start_ns), bisect_left(times_ns, end_ns)
    return times_ns[first:behind], values[first:behind]


def merge(columns: list[Column]) -> Column:
    """Return the readings of several columns, each in order of time, in order of time."""
    columns = sorted((column for column in columns if column[0]), key=lambda column: column[0][0])
    times_ns, values = array("q"), array("d")
    in_order = True
    for more_times, more_values in columns:
        in_order = in_order and (not times_ns or times_ns[-1] < more_times[0])
        times_ns += more_times
        values += more_values
    if not in_order:
        # Nearly sorted runs are what sorted() is fast at; no two readings of a series have one time.
        pairs = sorted(zip(times_ns, values, strict=True))
        times_ns = array("q", [time_ns for time_ns, _ in pairs])
        values = array("d", [value for _, value in pairs])
    return times_ns, values
