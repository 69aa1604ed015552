"""The REST API under /api/v1: devices, latest values and history, as JSON. Times are epoch milliseconds."""

import time

from flask import Blueprint, Response, request

from sensorline.reading import DeviceFacts, Series
from sensorline_web.answers import encode, json_answer, tag_of, tagged_answer
from sensorline_web.columns import series_entry
from sensorline_web.instants import SECOND_NS, to_ms
from sensorline_web.live.shapes import device_with_metrics, latest_entries
from sensorline_web.ranges import Range, check_names, parse_max_points, parse_range, parse_series
from sensorline_web.services import services

api = Blueprint("api", __name__, url_prefix="/api/v1")

PAST_NS = 60 * SECOND_NS
"""A fixed range that ended this long ago is answered from the cache: hardly anything comes into it any more. What does, late, is seen
after `WEB_CACHE_S`. Ranges that reach the present are always read anew."""


@api.get("/devices")
def devices() -> Response:
    """Answer every device with its status and the latest value of each metric; `device`, which may be repeated, chooses some."""
    check_names(request.args, (), ("device",))
    overview = services().overview
    overview.refresh()
    wanted = dict.fromkeys(request.args.getlist("device"))
    found = map(overview.state.device, wanted) if wanted else overview.state.devices()
    entries = [device_with_metrics(device) for device in found if device is not None]
    return json_answer(encode({"now": _now_ms(), "devices": entries}))


@api.get("/latest")
def latest() -> Response:
    """Answer the latest value of every series."""
    check_names(request.args, ())
    overview = services().overview
    overview.refresh()
    entries = [entry for device in overview.state.devices() for entry in latest_entries(device)]
    return json_answer(encode({"now": _now_ms(), "latest": entries}))


@api.get("/series")
def series() -> Response:
    """Answer history in columns: t (a bucket's start), min, mean, max, n; bucket_ms 0 says single readings, last is the newest stored time."""
    check_names(request.args, ("from", "to", "max_points"), ("device", "metric"))
    parts = services()
    now_ns = time.time_ns()
    span = parse_range(request.args, now_ns)
    max_points = parse_max_points(request.args)
    wanted = requested_series()
    is_past = span.is_fixed and span.end_ns <= now_ns - PAST_NS
    key = tag_of(encode(["series", wanted, span.start_ns, span.end_ns, max_points]))
    data = parts.cache.get(key) if is_past else None
    if data is None:
        data = _query(wanted, span, max_points)
        if is_past:
            parts.cache.put(key, data)
    ends = encode({"from": to_ms(span.start_ns), "to": to_ms(span.end_ns)})
    # Ends that move with the clock are no news as long as the readings between them are the same.
    tag = tag_of(data, ends if span.is_fixed else b"")
    head = ends[:-1] + b',"now":%d,"series":' % _now_ms()
    return tagged_answer(head + data + b"}", tag)


def _query(wanted: list[Series], span: Range, max_points: int) -> bytes:
    parts = services()
    with parts.readers.borrow() as reader:
        found = []
        for s in wanted:
            found.append((s, reader.query(s, span.start_ns, span.end_ns, max_points)))
            # With green threads nothing else runs during a query; between two, live frames go out.
            parts.feed.sleep(0)
    return encode([series_entry(s, facts_of(s), columns) for s, columns in found])


def requested_series() -> list[Series]:
    """Return the series that the request names; a request without metrics means all there are."""
    overview = services().overview
    given_metrics = request.args.getlist("metric")
    if not given_metrics:
        overview.refresh()
    wanted = parse_series(request.args.getlist("device"), given_metrics, overview.state.metrics_of)
    if not all(map(overview.state.knows, wanted)):
        # The store may know their units.
        overview.refresh()
    return wanted


def facts_of(series: Series) -> DeviceFacts:
    """Return what is known of a series' device."""
    device = services().overview.state.device(series.device)
    return device.facts if device else DeviceFacts(series.device)


def _now_ms() -> int:
    return time.time_ns() // 10**6
