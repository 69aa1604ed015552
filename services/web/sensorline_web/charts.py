"""Named charts: `charts.toml`, and ids of the form device:metric.

[charts.climate]
title = "Climate"
series = ["desk:temperature", "desk:humidity"]
range = "6h"
max_points = 400
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from sensorline import topics
from sensorline.errors import Problem, Rejected, SettingsError
from sensorline.reading import Series
from sensorline.stores.buckets import MAX_POINTS
from sensorline_web.ranges import SERIES_MAX

DEFAULT_RANGE = "6h"
DEFAULT_POINTS = 400

_RANGE = re.compile(r"[0-9]{1,9}[smhdwy]", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Chart(msgspec.Struct, frozen=True):
    """Which series to draw, over the last `range` (such as 6h), in at most `max_points` points."""

    series: tuple[Series, ...]
    title: str | None = None
    range: str = DEFAULT_RANGE
    max_points: int = DEFAULT_POINTS


def parse_series_id(text: str) -> Series | None:
    """Return the series of `device:metric`, where the last colon divides; None if it names none."""
    device, colon, metric = text.rpartition(":")
    if not colon:
        return None
    try:
        return Series(topics.check_device(device), topics.check_metric(metric))
    except Rejected:
        return None


def load_charts(path: Path) -> dict[str, Chart]:
    """Return the charts of a file by id; none if there is no file. Raises SettingsError with every problem."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(
            [Problem("WEB_CHARTS_FILE", str(path), f"expected readable TOML: {exc}")]
        ) from exc
    problems: list[Problem] = []
    charts: dict[str, Chart] = {}
    tables = data.get("charts", {})
    if not isinstance(tables, dict) or set(data) - {"charts"}:
        raise SettingsError([Problem("WEB_CHARTS_FILE", str(path), "expected tables [charts.<id>] only")])
    for chart_id, table in tables.items():
        try:
            charts[chart_id] = _chart(chart_id, table)
        except ValueError as exc:
            problems.append(Problem(f"{path} [charts.{chart_id}]", "", str(exc)))
    if problems:
        raise SettingsError(problems)
    return charts


def _chart(chart_id: str, table: Any) -> Chart:
    if not _ID.fullmatch(chart_id):
        raise ValueError("expected an id of at most 64 letters, digits, - and _")
    if not isinstance(table, dict) or set(table) - {"title", "series", "range", "max_points"}:
        raise ValueError("expected title, series, range, max_points and nothing else")
    names = table.get("series")
    if not isinstance(names, list) or not 1 <= len(names) <= SERIES_MAX:
        raise ValueError(f'expected series = ["device:metric", …], 1 to {SERIES_MAX} of them')
    series = [parse_series_id(name) if isinstance(name, str) else None for name in names]
    known = [s for s in series if s is not None]
    if len(known) != len(series):
        raise ValueError(f"expected device:metric, not {names[series.index(None)]!r}")
    chart_range = table.get("range", DEFAULT_RANGE)
    if not isinstance(chart_range, str) or not _RANGE.fullmatch(chart_range):
        raise ValueError('expected range = "6h" or the like (s, m, h, d, w, y)')
    max_points = table.get("max_points", DEFAULT_POINTS)
    if not isinstance(max_points, int) or isinstance(max_points, bool) or not 1 <= max_points <= MAX_POINTS:
        raise ValueError(f"expected max_points from 1 to {MAX_POINTS:,}")
    title = table.get("title")
    if title is not None and not isinstance(title, str):
        raise ValueError("expected title to be text")
    return Chart(tuple(known), title, chart_range, max_points)
