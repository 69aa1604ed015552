"""Where a series' sealed readings and rollups are: keys, and blocks that are kept in order of time.

There are two levels. Windows of ten minutes take what is sealed; a day takes what its windows held, once it is over. Keys begin with
the window or the day, so that sealing appends to a table and leaves the pages of other times alone.
"""

import itertools
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from sensorline.stores.sqlite.blocks import (
    NO_DECIMALS,
    READINGS_PER_BLOCK,
    Block,
    Column,
    frame_count,
    merge,
    pack,
    unpack,
)
from sensorline.stores.sqlite.rollups import Rollups, fold
from sensorline.stores.sqlite.rollups import pack as pack_rollups
from sensorline.stores.sqlite.rollups import unpack as unpack_rollups

MINUTE_NS = 60 * 10**9
WINDOW_NS = 10 * MINUTE_NS
HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
WINDOWS_PER_DAY = DAY_NS // WINDOW_NS
MINUTES_PER_DAY = DAY_NS // MINUTE_NS

SERIES_BITS = 23
SERIES_MAX = (1 << SERIES_BITS) - 1
_DAY_BITS = 18

JOINED_READINGS = 4_800
"""A day's blocks are joined from those of windows up to about this many readings."""

FEW_PER_FRAME = 300
"""Blocks with fewer readings a frame than this are packed anew when they are joined: they become much smaller."""


class Kept(NamedTuple):
    """A stored block without its body."""

    id: int
    n: int
    first_ns: int
    last_ns: int


class Level:
    """The blocks of one level: a table whose key is the span (a window, or a day), the series, and a number.

    Blocks of one series do not overlap, and their numbers go up with time. Numbers have gaps, for blocks that late readings
    make necessary in between.
    """

    def __init__(self, table: str, minutes_table: str, span_ns: int, number_bits: int) -> None:
        self.table = table
        self.minutes_table = minutes_table
        self.span_ns = span_ns
        self._number_bits = number_bits
        self._number_max = (1 << number_bits) - 1

    def first_key(self, span: int, series_id: int) -> int:
        """Return the key at which a series' blocks of a span begin; those of the next series id end them."""
        return (span << SERIES_BITS | series_id) << self._number_bits

    def span_key(self, span: int) -> int:
        """Return the key at which a span begins."""
        return span << (SERIES_BITS + self._number_bits)

    def span_of(self, key: int) -> int:
        """Return the span of a key."""
        return key >> (SERIES_BITS + self._number_bits)

    def series_of(self, key: int) -> int:
        """Return the series id of a key."""
        return key >> self._number_bits & SERIES_MAX

    def minutes_key(self, span: int, series_id: int) -> int:
        """Return the key of a series' minutes in a span."""
        return span << SERIES_BITS | series_id

    def kept(self, db: sqlite3.Connection, span: int, series_id: int) -> list[Kept]:
        """Return a series' blocks of a span, in order."""
        key = self.first_key(span, series_id)
        rows = db.execute(
            f"SELECT id, n, first_ns, last_ns FROM {self.table} WHERE id >= ? AND id <= ? ORDER BY id",
            (key, key + self._number_max),
        )
        return [Kept(*row) for row in rows]

    def body(self, db: sqlite3.Connection, key: int) -> bytes:
        """Return a block's body."""
        return bytes(db.execute(f"SELECT body FROM {self.table} WHERE id = ?", (key,)).fetchone()[0])

    def add(self, db: sqlite3.Connection, span: int, series_id: int, column: Column) -> int:
        """Store readings, in order of time, whose instants are all free; return how many decimals they have."""
        kept = self.kept(db, span, series_id)
        first_ns, last_ns = column[0][0], column[0][-1]
        touched = [i for i, k in enumerate(kept) if k.first_ns <= last_ns and k.last_ns >= first_ns]
        if touched:
            first, behind = touched[0], touched[-1] + 1
            column = merge([column, *(unpack(self.body(db, k.id)) for k in kept[first:behind])])
        else:
            first = behind = sum(k.last_ns < first_ns for k in kept)
        made = [pack(*piece) for piece in _pieces(column)]
        self._replace(db, span, series_id, kept, (first, behind), [block for block, _ in made])
        decimals = [decimals for _, decimals in made]
        return NO_DECIMALS if NO_DECIMALS in decimals else max(decimals)

    def append(self, db: sqlite3.Connection, span: int, series_id: int, blocks: Sequence[Block]) -> None:
        """Store blocks, in order and apart: joined as they are where nothing that is there overlaps them."""
        kept = self.kept(db, span, series_id)
        if (kept and kept[-1].last_ns >= blocks[0].first_ns) or not _are_apart(blocks):
            self.add(db, span, series_id, merge([unpack(block.body) for block in blocks]))
            return
        made = [block for run in _runs(blocks) for block in _joined(run)]
        self._replace(db, span, series_id, kept, (len(kept), len(kept)), made)

    def _replace(
        self,
        db: sqlite3.Connection,
        span: int,
        series_id: int,
        kept: list[Kept],
        place: tuple[int, int],
        blocks: list[Block],
    ) -> None:
        """Put blocks in the place of kept[first:behind], and number what follows anew if no numbers are left between."""
        first, behind = place
        key = self.first_key(span, series_id)
        before = kept[first - 1].id - key if first else -1
        after = kept[behind].id - key if behind < len(kept) else self._number_max + 1
        db.executemany(f"DELETE FROM {self.table} WHERE id = ?", [(k.id,) for k in kept[first:behind]])
        numbers = _numbers(before, after, len(blocks), is_last=behind == len(kept))
        if numbers is None:
            # All of the span in blocks as large as it takes: it happens at a thousand readings a second and series.
            rest = kept[:first] + kept[behind:]
            columns = [unpack(self.body(db, k.id)) for k in rest] + [unpack(block.body) for block in blocks]
            db.executemany(f"DELETE FROM {self.table} WHERE id = ?", [(k.id,) for k in rest])
            blocks = [pack(*piece)[0] for piece in _pieces(merge(columns), READINGS_PER_BLOCK * 16)]
            numbers = _numbers(-1, self._number_max + 1, len(blocks), is_last=True)
            assert numbers is not None, "a span's numbers are enough for blocks of 65,536 readings"
        db.executemany(
            f"INSERT INTO {self.table} (id, n, first_ns, last_ns, body) VALUES (?, ?, ?, ?, ?)",
            [(key + number, *block) for number, block in zip(numbers, blocks, strict=True)],
        )

    def add_minutes(self, db: sqlite3.Connection, span: int, series_id: int, minutes: Rollups) -> None:
        """Add rollups of readings that were added to those of the span."""
        key = self.minutes_key(span, series_id)
        row = db.execute(f"SELECT body FROM {self.minutes_table} WHERE id = ?", (key,)).fetchone()
        if row is not None:
            minutes = fold([unpack_rollups(row[0]), minutes])
        db.execute(
            f"INSERT OR REPLACE INTO {self.minutes_table} (id, body) VALUES (?, ?)",
            (key, pack_rollups(minutes)),
        )


WINDOWS = Level("block", "block_minutes", WINDOW_NS, 16)
DAYS = Level("day_block", "day_minutes", DAY_NS, 20)


def summary_key(series_id: int, day: int) -> int:
    """Return the key of a day's summary; those of one series are together."""
    return series_id << _DAY_BITS | day


def day_of_summary(key: int) -> int:
    """Return the day of a summary's key."""
    return key & ((1 << _DAY_BITS) - 1)


def series_of_summary(key: int) -> int:
    """Return the series id of a summary's key."""
    return key >> _DAY_BITS


def add_summary(db: sqlite3.Connection, series_id: int, day: int, hours: Rollups) -> None:
    """Add the hours of readings that were added to a day to its summary."""
    key = summary_key(series_id, day)
    row = db.execute("SELECT hours FROM day_summary WHERE id = ?", (key,)).fetchone()
    if row is not None:
        hours = fold([unpack_rollups(row[0]), hours])
    put_summary(db, series_id, day, hours)


def put_summary(db: sqlite3.Connection, series_id: int, day: int, hours: Rollups) -> None:
    """Let these hours be a day's summary."""
    whole = fold([hours], 24)
    key = summary_key(series_id, day)
    db.execute(
        "INSERT OR REPLACE INTO day_summary (id, n, low, mean, high, hours) VALUES (?, ?, ?, ?, ?, ?)",
        (key, whole.n[0], whole.low[0], whole.mean[0], whole.high[0], pack_rollups(hours)),
    )


def _pieces(column: Column, at_most: int = READINGS_PER_BLOCK) -> list[Column]:
    """Cut readings into pieces of about one length."""
    times_ns, values = column
    count = -(-len(values) // at_most)
    size = -(-len(values) // count)
    return [(times_ns[i : i + size], values[i : i + size]) for i in range(0, len(values), size)]


def _are_apart(blocks: Sequence[Block]) -> bool:
    return all(a.last_ns < b.first_ns for a, b in itertools.pairwise(blocks))


def _runs(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return blocks in runs that become one block each."""
    out: list[list[Block]] = []
    n = JOINED_READINGS
    for block in blocks:
        if n + block.n > JOINED_READINGS:
            out.append([])
            n = 0
        out[-1].append(block)
        n += block.n
    return out


def _joined(run: list[Block]) -> list[Block]:
    n = sum(block.n for block in run)
    body = b"".join([block.body for block in run])
    if n < FEW_PER_FRAME * frame_count(body) and len(run) > 1:
        return [pack(*piece)[0] for piece in _pieces(merge([unpack(body)]))]
    return [Block(n, run[0].first_ns, run[-1].last_ns, body)]


_STEP = 16


def _numbers(before: int, after: int, count: int, *, is_last: bool) -> list[int] | None:
    """Return numbers for blocks between two, or None if there are not enough."""
    step = (after - before) // (count + 1)
    if is_last:
        step = min(step, _STEP)
    return [before + step * (i + 1) for i in range(count)] if step else None
