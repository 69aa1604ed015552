"""Readings as CSV (RFC 4180), made piece by piece: a year of them needs no more memory than an hour."""

import re
from collections.abc import Iterable, Iterator, Sequence

from sensorline.reading import Series
from sensorline_web.instants import MS_NS, SECOND_NS, compact_text, second_text
from sensorline_web.ranges import Range

HEADER = b"time,epoch_ms,device,metric,value,unit\r\n"
ROWS_PER_PIECE = 1_000

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets take a cell that begins so for a formula (OWASP, CSV injection)."""


def text_cell(text: str) -> str:
    """Return text as a CSV cell that no spreadsheet takes for a formula: an apostrophe goes before it."""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def rows(series: Series, unit: str | None, readings: Iterable[tuple[int, float]]) -> Iterator[bytes]:
    """Yield pieces of lines for one series: time in RFC 3339 with nanoseconds, epoch ms, names, value, unit."""
    before_value = f",{text_cell(series.device)},{text_cell(series.metric)},"
    after_value = f",{text_cell(unit or '')}\r\n"
    lines: list[str] = []
    second, prefix = -1, ""
    for time_ns, value in readings:
        now_second, rest_ns = divmod(time_ns, SECOND_NS)
        if now_second != second:
            second, prefix = now_second, second_text(now_second)
        lines.append(f"{prefix}.{rest_ns:09d}Z,{_ms_text(time_ns)}{before_value}{value!r}{after_value}")
        if len(lines) == ROWS_PER_PIECE:
            yield "".join(lines).encode()
            lines.clear()
    if lines:
        yield "".join(lines).encode()


def _ms_text(time_ns: int) -> str:
    whole, rest = divmod(time_ns, MS_NS)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def file_name(series: Sequence[Series], span: Range) -> str:
    """Return a file name that says what is in it, of characters that every system takes."""
    what = f"{series[0].device}_{series[0].metric}" if len(series) == 1 else f"{len(series)}-series"
    safe = re.sub(r"[^A-Za-z0-9-]+", "_", what).strip("_")[:80] or "series"
    return f"sensorline_{safe}_{compact_text(span.start_ns)}_{compact_text(span.end_ns)}.csv"
