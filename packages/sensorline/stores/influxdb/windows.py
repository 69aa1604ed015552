"""Windows of time and their rollups, as rows: added up, and gathered into stretches to be asked for."""

import math
from itertools import pairwise
from typing import Any

STATEMENTS_MAX = 32
"""Windows that are to be read one level finer are asked for in at most so many stretches."""

Row = tuple[int, float, float, float, int]
"""start, min, sum, max, n"""


def as_rows(rows: list[list[Any]]) -> list[Row]:
    """Return an answer's rollups; a window without readings is none."""
    return [(start, low, total, high, int(n)) for start, low, total, high, n in rows if n]


def stretches(windows: set[int], width_ns: int) -> list[tuple[int, int]]:
    """Return ranges that cover all windows, at most STATEMENTS_MAX of them: the shortest gaps are covered as well."""
    starts = sorted(windows)
    gaps = sorted(
        (
            (after - before, i)
            for i, (before, after) in enumerate(pairwise(starts))
            if after - before > width_ns
        ),
        reverse=True,
    )
    cuts = sorted(i for _, i in gaps[: STATEMENTS_MAX - 1])
    firsts, lasts = [0, *(i + 1 for i in cuts)], [*cuts, len(starts) - 1]
    return [(starts[a], starts[b] + width_ns) for a, b in zip(firsts, lasts, strict=True)]


def added(rows: list[Row], width_ns: int) -> list[Row]:
    """Return rows added up into buckets of a width, in order."""
    buckets: dict[int, list[Any]] = {}
    for start, low, total, high, n in rows:
        bucket = start // width_ns * width_ns
        there = buckets.get(bucket)
        if there is None:
            buckets[bucket] = [bucket, low, total, high, n]
            continue
        if low < there[1]:
            there[1] = low
        there[2] += total
        if high > there[3]:
            there[3] = high
        there[4] += n
    return [
        # Of an infinite sum and its opposite nothing is known; a reader keeps the mean between min and max.
        (start, low, 0.0 if math.isnan(total) else total, high, n)
        for start, low, total, high, n in sorted(buckets.values())
    ]
