"""GET /api/v1/chart-data/<chart_id>: history in Chart.js' own shape, for pages and tools that are not ours."""

import time

from flask import Blueprint, Response, request

from sensorline_web.answers import encode, tag_of, tagged_answer
from sensorline_web.blueprints.api import facts_of
from sensorline_web.chartjs import chart_data
from sensorline_web.charts import Chart, parse_series_id
from sensorline_web.problems import NotFound
from sensorline_web.ranges import check_names, parse_max_points, parse_range
from sensorline_web.services import services

charts = Blueprint("charts", __name__)


@charts.get("/api/v1/chart-data/<path:chart_id>")
@charts.get("/api/chart-data/<path:chart_id>")
def chart(chart_id: str) -> Response:
    """Answer labels and datasets of a named chart, or of device:metric; from, to and max_points may be given."""
    check_names(request.args, ("from", "to", "max_points"))
    parts = services()
    found = _find(chart_id)
    span = parse_range(request.args, time.time_ns(), default_from=f"now-{found.range}")
    max_points = parse_max_points(request.args, found.max_points)
    given = (request.args.get("from", ""), request.args.get("to", ""), str(max_points))
    key = tag_of(encode([chart_id, *given]))
    body = parts.cache.get(key)
    if body is None:
        with parts.readers.borrow() as reader:
            columns = [(s, reader.query(s, span.start_ns, span.end_ns, max_points)) for s in found.series]
        body = encode(chart_data([(s, facts_of(s), c) for s, c in columns], found.title))
        parts.cache.put(key, body)
    return tagged_answer(body, tag_of(body))


def _find(chart_id: str) -> Chart:
    parts = services()
    knows = parts.overview.state.knows
    named = parts.charts.get(chart_id)
    if named is not None:
        if not all(map(knows, named.series)):
            parts.overview.refresh()
        return named
    series = parse_series_id(chart_id)
    if series is not None and (knows(series) or (parts.overview.refresh() and knows(series))):
        return Chart((series,))
    raise NotFound(f"There is no chart {chart_id[:80]!r}: neither in charts.toml nor a known device:metric.")
