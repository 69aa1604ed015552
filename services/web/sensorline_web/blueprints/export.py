"""GET /api/v1/export.csv: readings as they were stored, streamed."""

import time
from collections.abc import Generator, Sequence
from itertools import chain

from flask import Blueprint, Response, request

from sensorline.reading import Series
from sensorline_web.blueprints.api import facts_of, requested_series
from sensorline_web.csv_export import HEADER, file_name, rows
from sensorline_web.problems import Busy
from sensorline_web.ranges import Range, check_names, parse_range
from sensorline_web.services import Services, services

export = Blueprint("export", __name__, url_prefix="/api/v1")


@export.get("/export.csv")
def export_csv() -> Response:
    """Answer every reading of the range, series after series, in order of time."""
    parts = services()
    check_names(request.args, ("from", "to"), ("device", "metric"))
    span = parse_range(request.args, time.time_ns())
    wanted = requested_series()
    units = {series: facts_of(series).units.get(series.metric) for series in wanted}
    if not parts.exports.acquire(blocking=False):
        raise Busy("Other exports are running; try again when they are done.")
    pieces = _pieces(parts, wanted, units, span)
    try:
        # The first piece is made before the answer begins, so that a store that is away is a problem, not a torn file.
        first = next(pieces)
    except BaseException:
        pieces.close()
        parts.exports.release()
        raise
    response = Response(chain([first], pieces), content_type="text/csv; charset=utf-8; header=present")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name(wanted, span)}"'
    response.headers["Cache-Control"] = "no-store"
    response.call_on_close(pieces.close)
    response.call_on_close(parts.exports.release)
    return response


def _pieces(
    parts: Services, wanted: Sequence[Series], units: dict[Series, str | None], span: Range
) -> Generator[bytes]:
    with parts.readers.borrow() as reader:
        head = HEADER
        for series in wanted:
            for piece in rows(series, units[series], reader.export(series, span.start_ns, span.end_ns)):
                yield head + piece
                head = b""
        yield head
