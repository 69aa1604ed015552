"""The quick way: plain messages on topics that have been understood once, from bytes to columns without an object each.

A topic is learnt from a message that went the long way, when its series have been admitted; that never ends, so nothing learnt
goes stale. Whatever is not plain, or has a flag that asks for thought, goes the long way; both have the same outcome.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from sensorline.decoders.base import PAYLOAD_MAX_BYTES
from sensorline.decoders.native import NativeDecoder
from sensorline.decoders.plain import (
    NotPlain,
    Value,
    Window,
    array_columns,
    decode_metric,
    plain_seq,
    take_object,
    wider_value,
)
from sensorline.mqtt import RawMessage
from sensorline.mqtt.arrivals import FLAG_DUP, FLAG_RETAIN
from sensorline.reading import Batch, Series
from sensorline_ingest.receipts import seed

MAX_TOPICS_REMEMBERED = 131_072
"""Above the default of INGEST_MAX_SERIES; beyond it all are forgotten and learnt again."""

_NEEDS_THOUGHT = FLAG_DUP | FLAG_RETAIN
_NS_IN_MS = 10**6


class _Known(msgspec.Struct, frozen=True, gc=False):
    """A topic of one metric (`series`), or of the object of a device (`series_of` has its metrics)."""

    seed: int
    device: str
    series: Series | None
    series_of: dict[str, Series]


class QuickWay:
    """Decodes what it can at once, and hands everything else, in its turn, to `long_way`."""

    def __init__(self, native: NativeDecoder, long_way: Callable[[Batch, RawMessage], None]) -> None:
        self._native = native
        self._long_way = long_way
        self._window = Window(native.limits)
        self._known: dict[bytes, _Known] = {}
        self.ignored = 0
        """Members of objects that are no readings by the rules; whoever counts them sets it back."""

    def decode(self, messages: Sequence[RawMessage], batch: Batch) -> None:
        """Append what messages say, and their receipts, to the batch, in their order."""
        find = self._known.get
        crc32 = zlib.crc32
        long_way, window, units = self._long_way, self._window, self._native.units
        readings = batch.readings
        add_series, add_time, add_value = (
            readings.series.append,
            readings.time_ns.append,
            readings.value.append,
        )
        add_id, add_digest = batch.packet_ids.append, batch.digests.append
        earliest_ms = latest_ms = last_received_ns = -1
        for message in messages:
            topic, payload, packet_id, flags, received_ns = message
            known = find(topic)
            if known is None or flags & _NEEDS_THOUGHT or len(payload) > PAYLOAD_MAX_BYTES:
                long_way(batch, message)
                continue
            if received_ns != last_received_ns:
                window.move(received_ns)
                last_received_ns = received_ns
                earliest_ms, latest_ms = window.earliest_ms, window.latest_ms
            try:
                series = known.series
                if series is None:
                    seqs, ignored = take_object(payload, known.series_of, received_ns, window, readings)
                    if ignored:
                        self.ignored += ignored
                    if seqs:
                        batch.seqs.setdefault(known.device, []).extend(seqs)
                else:
                    try:
                        item = decode_metric(payload)
                    except msgspec.ValidationError:
                        item = wider_value(payload)
                    kind = type(item)
                    if kind is Value:
                        unit, seq, ts = item.unit, item.seq, item.ts
                        if unit is not None and unit != units.get(series):
                            raise NotPlain
                        if type(ts) is int and earliest_ms <= ts <= latest_ms:
                            time_ns = ts * _NS_IN_MS
                        else:
                            time_ns = received_ns if ts is None else window.time_ns(ts)
                        if seq is not None:
                            seq = plain_seq(seq)
                            batch.seqs.setdefault(series.device, []).append(seq)
                        add_series(series)
                        add_time(time_ns)
                        add_value(item.value)
                    elif kind is float:
                        add_series(series)
                        add_time(received_ns)
                        add_value(item)
                    else:
                        times, values, seqs = array_columns(item, received_ns, window, units.get(series))
                        readings.series += [series] * len(values)
                        readings.time_ns += times
                        readings.value += values
                        if seqs:
                            batch.seqs.setdefault(series.device, []).extend(seqs)
            except Exception:  # noqa: BLE001 - whatever it is, nothing was taken, and the long way says what it is
                long_way(batch, message)
                continue
            if packet_id:
                add_id(packet_id)
                add_digest(crc32(payload, known.seed))

    def learn(self, topic: bytes, admitted: Iterable[Series]) -> None:
        """Remember a topic by the series that one of its messages was, each admitted."""
        where = self._native.topic(topic)
        if where.kind:
            return
        before = self._known.get(topic)
        series_of = before.series_of if before else {}
        own = {series.metric: series for series in admitted if series.device == where.device}
        if own:
            if before and before.series is None and series_of.keys() >= own.keys():
                return
            known = _Known(seed(topic), where.device, None, series_of | own)
        elif where.series is not None:
            known = _Known(seed(topic), where.device, where.series, series_of)
        else:
            return
        if len(self._known) >= MAX_TOPICS_REMEMBERED:
            self._known.clear()
        self._known[topic] = known
