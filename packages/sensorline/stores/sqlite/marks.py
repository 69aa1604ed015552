"""How far the store has come with what: a few named numbers, kept beside the counters."""

import sqlite3

import msgspec

from sensorline.stores.sqlite.layout import DAY_NS, WINDOWS_PER_DAY

SECOND_NS = 10**9


class Marks(msgspec.Struct, frozen=True, gc=False):
    """Of each kind of thing, up to where it is done."""

    sealed_to: int = 0
    """Everything in the journal's entries up to this one is sealed."""
    raw_deleted_before_s: int = 0
    """Retention has taken the single readings before this (UTC seconds, a whole hour); what is left of them is not shown."""
    minutes_deleted_before_s: int = 0
    hours_deleted_before_s: int = 0
    joined_day: int = 0
    """The day (since 1970) whose windows are being joined; all days before it are."""
    joined_series: int = 0
    """Of that day, the series up to this id are joined. What windows still hold of joined days counts no more."""
    changes: int = 0
    """Goes up with every change to blocks, so that readers know when to look again."""

    def is_joined(self, day: int, series_id: int) -> bool:
        """Tell whether a series' readings of a day belong into the day's blocks."""
        return day < self.joined_day or (day == self.joined_day and series_id <= self.joined_series)

    def first_window(self, series_id: int) -> int:
        """Return the first window of ten minutes that counts for a series."""
        return (self.joined_day + (series_id <= self.joined_series)) * WINDOWS_PER_DAY

    @property
    def raw_from_ns(self) -> int:
        """The time from which single readings are shown."""
        return self.raw_deleted_before_s * SECOND_NS

    @property
    def minutes_from_ns(self) -> int:
        """The time from which minutes are there."""
        return self.minutes_deleted_before_s * SECOND_NS

    @property
    def hours_from_ns(self) -> int:
        """The time from which hours are there."""
        return self.hours_deleted_before_s * SECOND_NS


def load(db: sqlite3.Connection) -> Marks:
    """Return the marks of a database."""
    names = Marks.__struct_fields__
    rows = db.execute(
        f"SELECT name, n FROM counter WHERE name IN ({','.join('?' * len(names))})", names
    ).fetchall()
    return Marks(**dict(rows))


def save(db: sqlite3.Connection, before: Marks, **changed: int) -> Marks:
    """Write marks that changed, inside the caller's transaction; return all. Take them for true after the commit."""
    changed["changes"] = before.changes + 1
    db.executemany("INSERT OR REPLACE INTO counter VALUES (?, ?)", list(changed.items()))
    return msgspec.structs.replace(before, **changed)


def day_of(time_ns: int) -> int:
    """Return the number of a time's day since 1970."""
    return time_ns // DAY_NS
