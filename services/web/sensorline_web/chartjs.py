"""Columns → the `data` of a Chart.js line chart: labels that all datasets share, null where a dataset has no point."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sensorline.reading import DeviceFacts, Series
from sensorline.stores.base import Columns
from sensorline_web.columns import rounded_means
from sensorline_web.instants import all_to_ms


def chart_data(parts: Sequence[tuple[Series, DeviceFacts, Columns]], title: str | None) -> dict[str, Any]:
    """Return labels (epoch ms) and datasets (means). A gap between buckets becomes a null, so that the line breaks."""
    times = sorted({time_ns for _, _, columns in parts for time_ns in _times_with_gaps(columns)})
    datasets = []
    for series, facts, columns in parts:
        means = dict(zip(columns.start_ns, rounded_means(columns), strict=True))
        unit = facts.units.get(series.metric)
        name = facts.names.get(series.metric) or series.metric
        label = f"{facts.name or series.device} {name}"
        datasets.append(
            {
                "label": f"{label} ({unit})" if unit else label,
                "data": [means.get(time_ns) for time_ns in times],
                "spanGaps": columns.bucket_ns == 0,
                "unit": unit,
            }
        )
    data: dict[str, Any] = {"labels": all_to_ms(times), "datasets": datasets}
    return data if title is None else data | {"title": title}


def _times_with_gaps(columns: Columns) -> list[int]:
    width_ns, starts = columns.bucket_ns, columns.start_ns
    if not width_ns:
        return starts
    gaps = [before + width_ns for before, after in pairwise(starts) if after - before > width_ns]
    return starts + gaps
