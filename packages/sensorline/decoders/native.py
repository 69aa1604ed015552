"""The native family: `sensors/…`, as described in docs/message-contract.md.

    sensors/<device>/<metric>   21.5 | {"value":21.5,"ts":…,"unit":"°C","seq":17} | an array of such objects
    sensors/<device>            {"temperature":21.5,"humidity":44,"ts":…,"seq":…} | an array of such objects
    sensors/<device>/$status    online | offline
    sensors/<device>/$meta      {"name":…,"location":…,"interval_s":…,"units":{…}}
    sensors/<device>/$health    {"refused":0,"set_aside":0,"waiting":12,"outbox_bytes":…,"outbox_max_bytes":…}

A device may have slashes. An object without `value` on `sensors/a/b` is the object of device `a/b`; everything else
there is metric `b` of device `a`.
"""

from typing import Any

import msgspec

from sensorline import topics
from sensorline.decoders.base import READINGS_MAX, Decoded
from sensorline.decoders.facts import decode_health, decode_meta, decode_status
from sensorline.decoders.times import TimeLimits, check_time, parse_ts
from sensorline.decoders.values import parse_payload, to_number, to_seq, to_unit
from sensorline.errors import Rejected
from sensorline.reading import DeviceFacts, Reading, Series

MAX_TOPICS_REMEMBERED = 50_000

_OWN_KEYS = frozenset(("value", "ts", "unit", "seq"))


class NativeTopic(msgspec.Struct, frozen=True, gc=False):
    """What a topic can mean: one metric, the object of a device, or (with three levels and more) either.

    `kind` is empty, or `$status`, `$meta` or `$health`.
    """

    device: str
    series: Series | None
    kind: str = ""


class NativeDecoder:
    """Decodes the native family. Remembers topics, so that each is taken apart once."""

    name = "native"
    filters: tuple[str, ...] = (topics.SENSORS_FILTER,)

    def __init__(self, limits: TimeLimits | None = None) -> None:
        self.limits = limits or TimeLimits()
        self.units: dict[Series, str] = {}
        """The unit that each series last had in its messages."""
        self._topics: dict[bytes, NativeTopic] = {}

    def topic(self, topic: bytes) -> NativeTopic:
        """Return what a topic can mean. Raises Rejected for one outside the grammar."""
        return self._topics.get(topic) or self._remember(topic)

    def decode(self, topic: bytes, payload: bytes, retained: bool, received_ns: int) -> Decoded:
        where = self._topics.get(topic) or self._remember(topic)
        if where.kind and not payload:
            # Somebody cleared what the broker kept (MQTT 3.1.1, section 3.3.1.3): nothing new is said.
            return Decoded(ignored=[f"an empty {where.kind}: what the broker kept was deleted"])
        if where.kind == topics.STATUS:
            return Decoded(facts=[decode_status(where.device, payload, received_ns)])
        if where.kind == topics.META:
            return Decoded(facts=[decode_meta(where.device, payload)])
        if where.kind == topics.HEALTH:
            return Decoded(facts=[decode_health(where.device, payload)])
        value = parse_payload(payload)
        out = Decoded([], [], [], [], [])
        if isinstance(value, list):
            self._decode_array(where, value, received_ns, out)
        else:
            self._decode_item(where, value, received_ns, out)
        if out.rejects and not out.readings:
            raise out.rejects[0]
        if retained:
            # A retained message without a time is the last known state, sent because we subscribed just now.
            out.state = [r for r in out.readings if not r.has_own_time]
            out.readings = [r for r in out.readings if r.has_own_time]
        return out

    def _remember(self, topic: bytes) -> NativeTopic:
        levels = topics.decode_topic(topic).split("/")
        if len(levels) < 2 or levels[0] != topics.SENSORS:
            raise Rejected(
                "topic_unknown", f"{topics.printable_topic(topic)!r} is not sensors/<device>/<metric>"
            )
        if any(not level for level in levels):
            raise Rejected(
                "topic_level_empty", "the topic has an empty level (two slashes, or one at an end)"
            )
        last = levels[-1]
        if len(levels) > 2 and last in (topics.STATUS, topics.META, topics.HEALTH):
            where = NativeTopic(topics.check_device("/".join(levels[1:-1])), None, last)
        elif len(levels) == 2:
            where = NativeTopic(topics.check_device(last), None)
        else:
            series = Series(topics.check_device("/".join(levels[1:-1])), topics.check_metric(last))
            where = NativeTopic("/".join(levels[1:]), series)
        if len(self._topics) >= MAX_TOPICS_REMEMBERED:
            self._topics.clear()
        self._topics[topic] = where
        return where

    def _decode_array(self, where: NativeTopic, items: list[Any], received_ns: int, out: Decoded) -> None:
        if not items:
            raise Rejected("no_reading", "the array is empty")
        if len(items) > READINGS_MAX:
            raise Rejected(
                "too_many_readings", f"{len(items):,} readings in one message; at most {READINGS_MAX:,}"
            )
        for i, item in enumerate(items):
            try:
                if not isinstance(item, dict):
                    raise Rejected("item_not_an_object", 'expected objects such as {"value":21.5,"ts":…}')
                self._decode_item(where, item, received_ns, out)
            except Rejected as exc:
                out.rejects.append(Rejected(exc.reason, f"item {i}: {exc.detail}"))
        if len(out.readings) > READINGS_MAX:
            raise Rejected(
                "too_many_readings",
                f"{len(out.readings):,} readings in one message; at most {READINGS_MAX:,}",
            )

    def _decode_item(self, where: NativeTopic, value: Any, received_ns: int, out: Decoded) -> None:
        series = where.series
        if isinstance(value, dict):
            if series is None or "value" not in value:
                self._decode_object(where, value, received_ns, out)
                return
            time_ns, own = self._time(value, received_ns)
            number, seq = to_number(value["value"]), to_seq(value.get("seq"))
            unit = to_unit(value.get("unit"))
            if unit is not None:
                self._note_unit(series, unit, out)
            out.readings.append(Reading(series, time_ns, number, seq, own))
        elif series is None:
            raise Rejected(
                "topic_without_metric",
                f"a single value needs sensors/{where.device}/<metric>; here an object of several metrics is expected",
            )
        else:
            out.readings.append(Reading(series, received_ns, to_number(value), None, False))

    def _decode_object(
        self, where: NativeTopic, value: dict[str, Any], received_ns: int, out: Decoded
    ) -> None:
        device = topics.check_device(where.device)
        time_ns, own = self._time(value, received_ns)
        seq = to_seq(value.get("seq"))
        if len(value) > READINGS_MAX:
            raise Rejected(
                "too_many_readings", f"{len(value):,} metrics in one message; at most {READINGS_MAX:,}"
            )
        before = len(out.readings), len(out.rejects)
        for key, member in value.items():
            if key in ("ts", "seq"):
                continue
            unit = None
            if isinstance(member, dict) and "value" in member and _OWN_KEYS.issuperset(member):
                unit, member = member.get("unit"), member["value"]
            if member is None or isinstance(member, list | dict):
                out.ignored.append(f"{key!r} is {'null' if member is None else 'not a single value'}")
                continue
            try:
                number = to_number(member)
            except Rejected as exc:
                # Text beside numbers (a firmware version, a mode) is common and no mistake of the device.
                out.ignored.append(f"{key!r}: {exc.detail}")
                if exc.reason != "value_not_a_number":
                    out.rejects.append(Rejected(exc.reason, f"{key!r}: {exc.detail}"))
                continue
            try:
                series = Series(device, topics.check_metric(key))
                symbol = to_unit(unit)
            except Rejected as exc:
                out.rejects.append(exc)
                continue
            if symbol is not None:
                self._note_unit(series, symbol, out)
            out.readings.append(Reading(series, time_ns, number, seq, own))
        if (len(out.readings), len(out.rejects)) == before:
            expected = '{"value":21.5}' if where.series else '{"temperature":21.5}'
            raise Rejected("no_number", f"the object has no number; expected something like {expected}")

    def _time(self, value: dict[str, Any], received_ns: int) -> tuple[int, bool]:
        ts = value.get("ts")
        if ts is None:
            return received_ns, False
        return check_time(parse_ts(ts), received_ns, self.limits), True

    def _note_unit(self, series: Series, unit: str, out: Decoded) -> None:
        # A unit comes with every reading but is a fact only when it is new.
        if self.units.get(series) != unit:
            if len(self.units) >= MAX_TOPICS_REMEMBERED:
                self.units.clear()
            self.units[series] = unit
            out.facts.append(DeviceFacts(series.device, units={series.metric: unit}))
