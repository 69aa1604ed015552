"""Parcels: readings of one metric as one MQTT message."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from sensorline_node.rows import Row

ARRAY_MAX = 500
"""Readings in one message."""

PAYLOAD_MAX_BYTES = 15_000
"""Stays under the 16 KiB packets to which a careful broker limits its clients."""


class Point(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """A reading on the wire; `ts` in milliseconds since 1970, or in microseconds."""

    value: float
    ts: int
    unit: str = ""
    seq: int


class Parcel(NamedTuple):
    """A message's metric and payload, and the numbers of the readings in it."""

    metric: str
    payload: bytes
    seqs: list[int]

    @property
    def is_array(self) -> bool:
        """True if it can be divided."""
        return len(self.seqs) > 1


def pack(rows: Iterable[Row], max_bytes: int = PAYLOAD_MAX_BYTES) -> list[Parcel]:
    """Return parcels for readings, metric by metric: an object for a single reading, else arrays.

    An array has at most ARRAY_MAX readings and `max_bytes` bytes; only its first reading repeats the unit. A single reading
    is a parcel however large it is.
    """
    by_metric: dict[str, list[Row]] = {}
    for row in rows:
        by_metric.setdefault(row.metric, []).append(row)
    return [parcel for group in by_metric.values() for parcel in _pack_metric(group, max_bytes)]


def _pack_metric(rows: Sequence[Row], max_bytes: int) -> list[Parcel]:
    out: list[Parcel] = []
    parts: list[bytes] = []
    seqs: list[int] = []
    size = 0
    for row in rows:
        part = _encode(row, with_unit=not parts)
        # Two bytes more are the brackets.
        if parts and (len(parts) == ARRAY_MAX or size + len(part) + 2 > max_bytes):
            out.append(Parcel(row.metric, _join(parts), seqs))
            part, parts, seqs, size = _encode(row, with_unit=True), [], [], 0
        parts.append(part)
        seqs.append(row.seq)
        size += len(part) + 1
    out.append(Parcel(rows[0].metric, _join(parts), seqs))
    return out


def _encode(row: Row, *, with_unit: bool) -> bytes:
    unit = row.unit if with_unit else ""
    return msgspec.json.encode(Point(value=row.value, ts=row.ts, unit=unit, seq=row.seq))


def _join(parts: list[bytes]) -> bytes:
    return parts[0] if len(parts) == 1 else b"[" + b",".join(parts) + b"]"
