"""What the store writes, as lines: readings, rollups, marks of what is to do, state. Fields of readings are always floats."""

import hashlib
import math
from collections.abc import Sequence

import msgspec

from sensorline.events import Account, Event
from sensorline.reading import DeviceFacts, Series
from sensorline.stores.influxdb.names import stored_name, string_field, tag_value

_encode = msgspec.json.Encoder().encode

_HUGE = 1.7976931348623157e308

STATE_TIME_NS = 0
"""Every state point has this time, so that the next one replaces it."""

_EVENT_TIME_BYTES = 6
"""Events are points of one series for each device, and have times of their own: made of their ids, so that the next one of an id
replaces it. 2^48 ns are 78 hours: with InfluxDB's shards of seven days, which begin on Mondays, all are in one with 1970-01-01, a Thursday."""

_NEVER_NS = 2**62


def reading_lines(texts: Sequence[str], values: Sequence[float], times_ns: Sequence[int]) -> list[str]:
    """Return the lines of readings; each text is KnownSeries.text. Values are finite and keep all their digits.

    A list of numbers as JSON has them as line protocol does, and msgspec writes it four times as fast as repr() does one by one.
    """
    if not texts:
        return []
    value_texts = _encode(values)[1:-1].decode().split(",")
    time_texts = _encode(times_ns)[1:-1].decode().split(",")
    return [
        f"{text}{value} {time}\n" for text, value, time in zip(texts, value_texts, time_texts, strict=True)
    ]


def rollup_line(key: bytes, start_ns: int, low: float, high: float, total: float, n: float) -> bytes:
    """Return the line of a window's rollup."""
    return b"%b %b %d\n" % (key, _rollup_fields(low, high, total, n), start_ns)


def marked_line(
    key: bytes, start_ns: int, todo: int, rollup: tuple[float, float, float, float] | None
) -> bytes:
    """Return the line of an hour or a half-day: its rollup (min, max, sum, n) if there is one, and what of it is still to do."""
    fields = b"" if rollup is None else _rollup_fields(*rollup) + b","
    return b"%b %btodo=%di %d\n" % (key, fields, todo, start_ns)


def _rollup_fields(low: float, high: float, total: float, n: float) -> bytes:
    # Line protocol has no infinity. The sum of huge values is cut; a reader keeps the mean between min and max.
    total = 0.0 if math.isnan(total) else min(max(total, -_HUGE), _HUGE)
    return b"min=%a,max=%a,sum=%a,n=%a" % (float(low), float(high), float(total), float(n))


def latest_line(series: Series, time_ns: int, value: float) -> bytes:
    """Return the state line of a series' newest reading."""
    tags = f"device={tag_value(series.device)},metric={tag_value(series.metric)}"
    return f"latest,{tags} ns={time_ns}i,value={value!r} {STATE_TIME_NS}\n".encode()


def device_line(facts: DeviceFacts) -> bytes:
    """Return the state line of what is known of a device."""
    text = string_field(msgspec.json.encode(facts).decode())
    return f"device,device={tag_value(facts.device)} facts={text} {STATE_TIME_NS}\n".encode()


def event_line(event: Event) -> bytes:
    """Return the state line of an event; that of a withdrawn one takes it away."""
    if event.is_withdrawn:
        return event_gone_line(event.id, event.device)
    end_ns = 2**63 - 1 if event.end_ns is None else event.end_ns
    text = string_field(msgspec.json.encode(event).decode())
    fields = f'start_ns={event.start_ns}i,end_ns={end_ns}i,kind="{event.kind}",event={text}'
    return f"{_event_key(event.device)} {fields} {_event_time_ns(event.id)}\n".encode()


def event_gone_line(event_id: str, device: str) -> bytes:
    """Return the state line that takes an event away: it is before and after every range."""
    fields = f'start_ns={_NEVER_NS}i,end_ns=-1i,kind="",event=""'
    return f"{_event_key(device)} {fields} {_event_time_ns(event_id)}\n".encode()


def _event_key(device: str) -> str:
    return f"event,device={tag_value(device)}" if device else "event"


def _event_time_ns(event_id: str) -> int:
    digest = hashlib.blake2b(event_id.encode(), digest_size=_EVENT_TIME_BYTES).digest()
    return int.from_bytes(digest, "big")


def account_line(account: Account) -> bytes:
    """Return the state line of a device's account."""
    text = string_field(msgspec.json.encode(account).decode())
    return f"account,device={tag_value(account.device)} account={text} {STATE_TIME_NS}\n".encode()


def border_line(borders: dict[str, int]) -> bytes:
    """Return the state line that says since when each level is whole."""
    fields = ",".join(f"{stored_name(name)}={ns}i" for name, ns in sorted(borders.items()))
    return f"border {fields} {STATE_TIME_NS}\n".encode()
