"""`$status`, `$meta` and `$health` of the native family: what a device says of itself."""

from typing import Any

from sensorline import topics
from sensorline.decoders.values import parse_payload, to_unit
from sensorline.errors import Rejected
from sensorline.reading import DeviceFacts, Health, Status

MAX_ENTRIES = 1_000
PROBLEM_MAX_CHARS = 500
COUNT_MAX = 2**53
"""Above it, JSON numbers are not exact everywhere."""


def decode_status(device: str, payload: bytes, received_ns: int) -> DeviceFacts:
    """Return a device's status. Raises Rejected (`status_unknown`)."""
    try:
        status = Status(payload.decode().strip().lower())
    except (ValueError, UnicodeDecodeError):
        raise Rejected("status_unknown", f"{payload[:40]!r} is neither online nor offline") from None
    return DeviceFacts(device, status=status, status_at_ns=received_ns)


def decode_meta(device: str, payload: bytes) -> DeviceFacts:
    """Return the facts of a `$meta` object; members that we do not know are ignored. Raises Rejected (`meta_invalid`)."""
    value = parse_payload(payload)
    if not isinstance(value, dict):
        raise Rejected("meta_invalid", "$meta is not a JSON object")
    interval_s = value.get("interval_s")
    if interval_s is not None:
        is_number = isinstance(interval_s, int | float) and not isinstance(interval_s, bool)
        if not is_number or not 0 < interval_s <= 10**9:
            raise Rejected("meta_invalid", "interval_s is not a number of seconds above 0")
    simulated = value.get("simulated")
    if simulated is not None and not isinstance(simulated, bool):
        raise Rejected("meta_invalid", "simulated is neither true nor false")
    units = {metric: unit for metric, text in _entries(value, "units") if (unit := to_unit(text)) is not None}
    return DeviceFacts(
        device,
        name=_text(value, "name"),
        location=_text(value, "location"),
        interval_s=None if interval_s is None else float(interval_s),
        simulated=simulated,
        units=units,
        names={metric: _checked("names", text) for metric, text in _entries(value, "names")},
    )


def decode_health(device: str, payload: bytes) -> DeviceFacts:
    """Return what a node says in `$health`; members that we do not know are ignored. Raises Rejected (`health_invalid`)."""
    value = parse_payload(payload)
    if not isinstance(value, dict):
        raise Rejected("health_invalid", "$health is not a JSON object")
    counts = {}
    for name in ("refused", "set_aside", "waiting", "outbox_bytes", "outbox_max_bytes"):
        count = value.get(name)
        if count is not None:
            if type(count) is not int or not 0 <= count <= COUNT_MAX:
                raise Rejected("health_invalid", f"{name} is not a whole number from 0 to 2^53")
            counts[name] = count
    problem = value.get("problem")
    if problem is not None and (
        not isinstance(problem, str) or len(problem) > PROBLEM_MAX_CHARS or not problem.isprintable()
    ):
        raise Rejected(
            "health_invalid", f"problem is not text of at most {PROBLEM_MAX_CHARS} printable characters"
        )
    return DeviceFacts(device, health=Health(problem=problem or "", **counts))


def _entries(value: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    entries = value.get(key) or {}
    if not isinstance(entries, dict) or len(entries) > MAX_ENTRIES:
        raise Rejected("meta_invalid", f"{key} is not an object of at most {MAX_ENTRIES} entries")
    return [(topics.check_metric(metric), text) for metric, text in entries.items()]


def _text(value: dict[str, Any], key: str) -> str | None:
    text = value.get(key)
    return None if text is None or text == "" else _checked(key, text)


def _checked(key: str, text: Any) -> str:
    if not isinstance(text, str) or len(text) > topics.NAME_MAX_CHARS or not text.isprintable():
        raise Rejected(
            "meta_invalid", f"{key} is not text of at most {topics.NAME_MAX_CHARS} printable characters"
        )
    return text
