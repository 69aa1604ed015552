"""The REST API under /api/v1: devices, latest values and history, as JSON. Times are epoch milliseconds."""

import time
from typing import Any

from flask import Blueprint, Response, request

from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns
from sensorline_web.answers import encode, json_answer, tag_of, tagged_answer
from sensorline_web.instants import all_to_ms, to_ms
from sensorline_web.live.shapes import device_with_metrics, latest_entries
from sensorline_web.ranges import check_names, parse_max_points, parse_range, parse_series
from sensorline_web.services import services

api = Blueprint("api", __name__, url_prefix="/api/v1")


@api.get("/devices")
def devices() -> Response:
    """Answer every device with its status and the latest value of each metric."""
    check_names(request.args, ())
    overview = services().overview
    overview.refresh()
    entries = [device_with_metrics(device) for device in overview.state.devices()]
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
    with parts.readers.borrow() as reader:
        found = []
        for s in wanted:
            found.append((s, reader.query(s, span.start_ns, span.end_ns, max_points)))
            # With green threads nothing else runs during a query; between two, live frames go out.
            parts.feed.sleep(0)
    data = encode([_columns(s, facts_of(s), columns) for s, columns in found])
    ends = encode({"from": to_ms(span.start_ns), "to": to_ms(span.end_ns)})
    # Ends that move with the clock are no news as long as the readings between them are the same.
    tag = tag_of(data, ends if span.is_fixed else b"")
    head = ends[:-1] + b',"now":%d,"series":' % _now_ms()
    return tagged_answer(head + data + b"}", tag)


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


def _columns(series: Series, facts: DeviceFacts, columns: Columns) -> dict[str, Any]:
    return {
        "device": series.device,
        "metric": series.metric,
        "unit": facts.units.get(series.metric),
        "bucket_ms": to_ms(columns.bucket_ns),
        "last": None if columns.last_ns is None else to_ms(columns.last_ns),
        "t": all_to_ms(columns.start_ns),
        "min": columns.min,
        "mean": columns.mean,
        "max": columns.max,
        "n": columns.n,
    }


def _now_ms() -> int:
    return time.time_ns() // 10**6
