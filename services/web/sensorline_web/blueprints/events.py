"""The REST API's events: where data may be missing, and why."""

import time

from flask import Blueprint, Response, request

from sensorline import topics
from sensorline.errors import QueryError, Rejected
from sensorline.events import EventKind, EventMessage
from sensorline_web.answers import encode, json_answer
from sensorline_web.ranges import check_names, parse_range, parse_whole
from sensorline_web.services import services

events = Blueprint("events", __name__, url_prefix="/api/v1")

EVENTS_MAX = 10_000
DEFAULT_EVENTS = 1_000


@events.get("/events")
def in_range() -> Response:
    """Answer the events that touch a range, newest first: of all devices, or of one and those that concern all."""
    check_names(request.args, ("from", "to", "device", "kind", "limit"))
    span = parse_range(request.args, time.time_ns(), "now-1d")
    limit = parse_whole(request.args, "limit", DEFAULT_EVENTS, EVENTS_MAX)
    device, kind = _device(request.args.get("device")), _kind(request.args.get("kind"))
    with services().readers.borrow() as reader:
        found = reader.events(span.start_ns, span.end_ns, device, limit, kind)
    return json_answer(
        encode({"now": time.time_ns() // 10**6, "events": [EventMessage.of(event) for event in found]})
    )


def _device(name: str | None) -> str | None:
    if not name:
        return None
    try:
        return topics.check_device(name)
    except Rejected as exc:
        raise QueryError("device", exc.detail) from None


def _kind(text: str | None) -> EventKind | None:
    if not text:
        return None
    try:
        return EventKind(text)
    except ValueError:
        raise QueryError("kind", f"{text[:40]!r} is none of {', '.join(EventKind)}") from None
