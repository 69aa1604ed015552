"""One committed batch as bytes: its readings grouped by series, its receipts, and its notes."""

import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from sensorline.stores.packing import (
    differences,
    pack_ints,
    pack_times,
    pack_values,
    unpack_ints,
    unpack_times,
    unpack_values,
)

_HEAD = struct.Struct("<BBIII")
_VERSION = 1
_COMPRESSED, _BEGINS_SESSION, _WIDE_DIGESTS, _NOTES = 1, 2, 4, 8
_COMPRESS_FROM = 64
"""Fewer bytes than this only grow in zlib."""


class Damaged(ValueError):
    """Bytes of a store are not what was written there."""


class Entry(msgspec.Struct, gc=False):
    """A batch as the journal keeps it. Columns of one kind have one length.

    `counts[i]` readings are of the series `series_ids[i]`, one series after the other, each in order of time; times are those at
    which readings are kept, no longer those that were asked for. `packet_ids`, `digests` and `notes` are as in reading.Batch.
    """

    series_ids: Sequence[int] = ()
    counts: Sequence[int] = ()
    times_ns: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    values: "array[float]" = msgspec.field(default_factory=lambda: array("d"))
    packet_ids: Sequence[int] = ()
    digests: Sequence[int] = ()
    begins_session: bool = False
    notes: bytes = b""

    def groups(self) -> Iterator[tuple[int, int, int]]:
        """Yield each series' id with the first and the end index of its readings."""
        first = 0
        for series_id, count in zip(self.series_ids, self.counts, strict=True):
            yield series_id, first, first + count
            first += count


def encode(entry: Entry) -> bytes:
    """Return an entry as bytes. Raises OverflowError where a number does not fit: 64 bits, 16 for packet identifiers."""
    packet_ids = array("H", entry.packet_ids)
    columns = b"".join(
        (
            _from_zero(entry.series_ids),
            pack_ints(entry.counts),
            pack_times(entry.times_ns),
            pack_values(entry.values),
            _from_zero(packet_ids),
            entry.notes,
        )
    )
    flags = (_BEGINS_SESSION if entry.begins_session else 0) | (_NOTES if entry.notes else 0)
    if len(columns) >= _COMPRESS_FROM:
        compressed = zlib.compress(columns, 1)
        if len(compressed) < len(columns):
            columns, flags = compressed, flags | _COMPRESSED
    digests = b""
    if entry.digests:
        is_wide = max(entry.digests) >= 1 << 32
        flags |= _WIDE_DIGESTS if is_wide else 0
        # As they are: nothing makes them smaller.
        digests = _little(array("Q" if is_wide else "I", entry.digests)).tobytes()
    head = _HEAD.pack(_VERSION, flags, len(entry.series_ids), len(entry.values), len(entry.digests))
    return b"".join((head, digests, columns))


def decode(body: bytes) -> Entry:
    """Return the entry that was encoded. Raises Damaged if that is not possible."""
    try:
        return _decode(body)
    except (ValueError, IndexError, struct.error, zlib.error, OverflowError) as exc:
        raise Damaged(f"an entry of the journal cannot be read: {exc}") from exc


def _decode(body: bytes) -> Entry:
    version, flags, groups, n, receipts = _HEAD.unpack_from(body)
    if version != _VERSION:
        raise ValueError(f"its version is {version}, expected {_VERSION}")
    width = 8 if flags & _WIDE_DIGESTS else 4
    at = _HEAD.size + width * receipts
    digests = array(
        "Q", [int.from_bytes(body[i : i + width], "little") for i in range(_HEAD.size, at, width)]
    )
    data = zlib.decompress(body[at:]) if flags & _COMPRESSED else body[at:]
    steps, at = unpack_ints(data, 0, groups)
    counts, at = unpack_ints(data, at, groups)
    times_ns, at = unpack_times(data, at, n)
    values, at = unpack_values(data, at, n)
    packet_steps, at = unpack_ints(data, at, receipts)
    # Notes are what is behind the columns: there is no more to say of their length.
    notes = data[at:] if flags & _NOTES else b""
    if at + len(notes) != len(data) or sum(counts) != n:
        raise ValueError("its columns do not fit together")
    begins_session = bool(flags & _BEGINS_SESSION)
    return Entry(_sums(steps), counts, times_ns, values, _sums(packet_steps), digests, begins_session, notes)


def _little(numbers: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _from_zero(numbers: Sequence[int]) -> bytes:
    """Pack the steps of a sequence that begins at 0."""
    return pack_ints([numbers[0], *differences(numbers)]) if numbers else b""


def _sums(steps: Sequence[int]) -> "array[int]":
    return array("q", accumulate(steps))
