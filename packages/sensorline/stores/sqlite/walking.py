"""Going through a table from key to key, each found anew: it may change between two of them."""

import sqlite3
from collections.abc import Iterator

from sensorline.stores.sqlite.layout import SERIES_BITS, SERIES_MAX, Level


def keys(db: sqlite3.Connection, table: str) -> Iterator[int]:
    """Yield the keys of a table, each found anew: it may change meanwhile."""
    key: int | None = -(2**63)
    while key is not None:
        (key,) = db.execute(f"SELECT min(id) FROM {table} WHERE id >= ?", (key,)).fetchone()
        if key is not None:
            yield key
            key += 1


def spans(db: sqlite3.Connection, level: Level) -> Iterator[tuple[int, int]]:
    """Yield each span and series that has blocks or minutes."""
    span = series_id = 0
    while True:
        (block,) = db.execute(
            f"SELECT min(id) FROM {level.table} WHERE id >= ?", (level.first_key(span, series_id),)
        ).fetchone()
        (minutes,) = db.execute(
            f"SELECT min(id) FROM {level.minutes_table} WHERE id >= ?", (level.minutes_key(span, series_id),)
        ).fetchone()
        found = [level.minutes_key(level.span_of(block), level.series_of(block))] if block is not None else []
        found += [minutes] if minutes is not None else []
        if not found:
            return
        span, series_id = min(found) >> SERIES_BITS, min(found) & SERIES_MAX
        yield span, series_id
        series_id += 1
