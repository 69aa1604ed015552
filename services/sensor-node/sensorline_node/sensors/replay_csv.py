"""CSV files of readings: which columns there are, what a row says, and which rows say nothing."""

import csv
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sensorline.decoders.times import EARLIEST_NS, parse_ts
from sensorline.decoders.values import to_unit
from sensorline.errors import Rejected
from sensorline.topics import check_metric

TIME_COLUMN = "time"

LATEST_NS = 4_102_444_800_000_000_000
"""2100-01-01T00:00:00Z: a later time is a number that means something else."""


class BadHeader(Exception):
    """The first line does not say where the times and the values are."""


class Cell(NamedTuple):
    """One value of a file: UTC nanoseconds, metric, value, unit."""

    time_ns: int
    metric: str
    value: float
    unit: str


class BadRow(NamedTuple):
    """A line that is skipped, and why."""

    line: int
    detail: str


class CsvRows:
    """Reads rows as they come; the file may be larger than memory. `bytes_read` tells how far it is.

    Columns are `time`, `metric`, `value` and perhaps `unit`; or `time` and one column for each metric, where an empty
    cell is no reading. Separated by comma, semicolon or tab. Times are RFC 3339 with an offset, or numbers since 1970
    in s, ms, µs or ns by magnitude. Raises BadHeader.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.bytes_read = 0
        self._lines = iter(lines)
        header = self._decode(next(self._lines, b"")).removeprefix("\ufeff")
        # The separator of a file is the one that its header has most of.
        self._separator = max(",;\t", key=header.count)
        self._columns = [c.strip() for c in next(csv.reader([header], delimiter=self._separator), [])]
        lower = [c.lower() for c in self._columns]
        if TIME_COLUMN not in lower:
            raise BadHeader(f"the first line is {header.strip()[:80]!r}; expected a column `time`")
        self._time_at = lower.index(TIME_COLUMN)
        self._is_long = "metric" in lower and "value" in lower
        self._metric_at = lower.index("metric") if self._is_long else -1
        self._value_at = lower.index("value") if self._is_long else -1
        self._unit_at = lower.index("unit") if self._is_long and "unit" in lower else -1
        if not self._is_long:
            self._check_metrics()

    def _check_metrics(self) -> None:
        metrics = [name for i, name in enumerate(self._columns) if i != self._time_at]
        if not metrics:
            raise BadHeader(
                "there is only a column `time`; expected `metric` and `value`, or one column a metric"
            )
        try:
            for name in metrics:
                check_metric(name)
        except Rejected as exc:
            raise BadHeader(exc.detail) from exc

    def _decode(self, line: bytes) -> str:
        self.bytes_read += len(line)
        # What is not UTF-8 becomes U+FFFD: harmless in a cell that is not used, no number in one that is.
        return line.decode(errors="replace")

    def __iter__(self) -> Iterator[list[Cell] | BadRow]:
        """Give for each row its values, or what is wrong with it; `line` counts from 1, the header."""
        reader = csv.reader(map(self._decode, self._lines), delimiter=self._separator)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                yield BadRow(reader.line_num + 1, str(exc))
                continue
            if not any(cell.strip() for cell in cells):
                continue
            try:
                yield self._row(cells)
            except Rejected as exc:
                yield BadRow(reader.line_num + 1, exc.detail)

    def _row(self, cells: list[str]) -> list[Cell]:
        if len(cells) != len(self._columns):
            raise Rejected("columns", f"{len(cells)} cells; expected {len(self._columns)} as in the header")
        time_ns = _time(cells[self._time_at].strip())
        if self._is_long:
            metric = check_metric(cells[self._metric_at].strip())
            unit = to_unit(cells[self._unit_at].strip()) if self._unit_at >= 0 else None
            return [Cell(time_ns, metric, _number(cells[self._value_at], metric), unit or "")]
        return [
            Cell(time_ns, metric, _number(cell, metric), "")
            for i, (metric, cell) in enumerate(zip(self._columns, cells, strict=True))
            if i != self._time_at and cell.strip()
        ]


def _time(text: str) -> int:
    try:
        time_ns = parse_ts(int(text) if text.isdecimal() else float(text))
    except (ValueError, OverflowError):
        time_ns = parse_ts(text)
    if not EARLIEST_NS <= time_ns < LATEST_NS:
        raise Rejected("time", f"time {text[:40]!r} is not between the years 2000 and 2100")
    return time_ns


def _number(text: str, metric: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Rejected("value", f"{metric} is {text.strip()[:40]!r}; expected a number") from None
    if value - value != 0:
        raise Rejected("value", f"{metric} is {text.strip()}; expected a finite number")
    return value
