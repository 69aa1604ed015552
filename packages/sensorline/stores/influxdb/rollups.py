"""Rollups computed by InfluxDB from the level below, for many series and windows with few questions."""

from collections.abc import Mapping
from itertools import pairwise

from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.known import KnownSeries
from sensorline.stores.influxdb.names import series_filter, shown_name

OF_READINGS = "min(value), max(value), sum(value), count(value)"
OF_ROLLUPS = 'min("min"), max("max"), sum("sum"), sum("n")'

Rollup = tuple[float, float, float, float]
"""min, max, sum, n"""

Step = tuple[int, int]
"""Series id and number of the window since 1970."""

GAP_STEPS = 150
"""To read through a gap of so many windows costs InfluxDB about as much as one more statement."""


class Rollups:
    """Asks for rollups of the series that ingest knows."""

    def __init__(self, connection: Connection, by_id: Mapping[int, KnownSeries]) -> None:
        self._connection = connection
        self._by_id = by_id

    def compute(
        self, bucket: str, fields: str, wanted: set[Step], step_ns: int, longest: int
    ) -> dict[Step, Rollup]:
        """Return the rollup of each wanted window that has readings; a statement spans at most `longest` windows.

        Raises StoreUnavailable.
        """
        statements: list[str] = []
        parameters: dict[str, str] = {}
        for group in _groups(wanted, longest):
            all_series = {self._by_id[series_id].series for series_id, _ in group}
            steps = [step for _, step in group]
            where = series_filter(all_series, parameters)
            statements.append(
                f"SELECT {fields} FROM {where} AND time >= {min(steps) * step_ns} AND time < {(max(steps) + 1) * step_ns}"
                f" GROUP BY device, time({step_ns // 10**9}s) fill(none)"
            )
        ids = {
            (k.series.device, k.series.metric): k.id
            for k in map(self._by_id.__getitem__, {i for i, _ in wanted})
        }
        out: dict[Step, Rollup] = {}
        for tables in self._connection.influxql(bucket, statements, **parameters):
            for table in tables:
                series_id = ids.get((shown_name(table.tags.get("device", "")), shown_name(table.name)))
                if series_id is None:
                    continue
                for start_ns, low, high, total, n in table.values:
                    window = (series_id, start_ns // step_ns)
                    if window in wanted and n:
                        out[window] = (low, high, total, n)
        return out


def _groups(wanted: set[Step], longest: int) -> list[list[Step]]:
    """Return windows in groups of near ones: a gap ends a group, and so does its length."""
    ordered = sorted(wanted, key=lambda item: item[1])
    groups = [ordered[:1]]
    for (_, before), item in pairwise(ordered):
        if item[1] - before > GAP_STEPS or item[1] - groups[-1][0][1] >= longest:
            groups.append([])
        groups[-1].append(item)
    return groups
