"""Events and devices' accounts as rows: in the embedded store, and in the file beside InfluxDB.

Every function works inside the caller's transaction.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from sensorline.events import Account, Event, EventKind

TABLES: Final = """
CREATE TABLE event (
    id TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX event_by_end ON event (end_ns, start_ns);
CREATE TABLE account (
    device TEXT PRIMARY KEY,
    body BLOB NOT NULL
) WITHOUT ROWID;
"""
"""The columns beside an event's body are those that questions ask for."""

OPEN_NS: Final = 2**63 - 1
"""The end of an event that goes on."""

EVENTS_MAX = 100_000
"""Ended events beyond so many are deleted, the oldest first: devices with nothing but holes must not fill the disk."""

EVENTS_OF_DEVICE_MAX = 1_000
"""Of one device so many are kept: it pushes out its own, not those of others."""

_event = msgspec.msgpack.Decoder(Event).decode
_account = msgspec.msgpack.Decoder(Account).decode
_encode = msgspec.msgpack.Encoder().encode


def exist(db: sqlite3.Connection) -> bool:
    """Tell whether a database has these tables."""
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'event'").fetchone() is not None


def write(db: sqlite3.Connection, events: Sequence[Event], accounts: Sequence[Account]) -> None:
    """Write events and accounts in the place of earlier ones; withdrawn events are deleted."""
    # The last word of a batch counts.
    newest = {event.id: event for event in events}.values()
    db.executemany(
        "INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?)",
        [_row(event) for event in newest if not event.is_withdrawn],
    )
    db.executemany("DELETE FROM event WHERE id = ?", [(event.id,) for event in newest if event.is_withdrawn])
    db.executemany(
        "INSERT OR REPLACE INTO account VALUES (?, ?)",
        [(account.device, _encode(account)) for account in accounts],
    )


def _row(event: Event) -> tuple[str, str, str, int, int, bytes]:
    end_ns = OPEN_NS if event.end_ns is None else event.end_ns
    return event.id, event.device, event.kind, event.start_ns, end_ns, _encode(event)


def find(
    db: sqlite3.Connection,
    start_ns: int,
    end_ns: int,
    device: str | None,
    kind: EventKind | None,
    limit: int,
) -> list[Event]:
    """Return what stores.base.StoreReader.events promises."""
    where, parameters = ["end_ns >= ?", "start_ns < ?"], [start_ns, end_ns]
    wanted: list[str] = []
    if device is not None:
        where.append("device IN (?, '')")
        wanted.append(device)
    if kind is not None:
        where.append("kind = ?")
        wanted.append(kind)
    rows = db.execute(
        f"SELECT body FROM event WHERE {' AND '.join(where)} ORDER BY start_ns DESC, id LIMIT ?",
        (*parameters, *wanted, limit),
    )
    return [_event(body) for (body,) in rows]


def open_events(db: sqlite3.Connection) -> list[Event]:
    """Return the events that go on, oldest first."""
    rows = db.execute("SELECT body FROM event WHERE end_ns = ? ORDER BY start_ns, id", (OPEN_NS,))
    return [_event(body) for (body,) in rows]


def accounts(db: sqlite3.Connection) -> list[Account]:
    """Return every device's account, ordered by device."""
    return [_account(body) for (body,) in db.execute("SELECT body FROM account ORDER BY device")]


def forget(db: sqlite3.Connection, before_ns: int) -> list[tuple[str, str]]:
    """Delete the events that ended before a time, and ended ones that are too many; return their ids and devices."""
    too_many = db.execute(
        "SELECT device FROM event WHERE end_ns < ? GROUP BY device HAVING count(*) > ?",
        (OPEN_NS, EVENTS_OF_DEVICE_MAX),
    ).fetchall()
    gone: list[tuple[str, str]] = []
    # Before all are counted: the share of each device comes first.
    for (device,) in too_many:
        gone += db.execute(
            "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE device = ? AND end_ns < ?"
            " ORDER BY end_ns DESC, start_ns DESC LIMIT -1 OFFSET ?) RETURNING id, device",
            (device, OPEN_NS, EVENTS_OF_DEVICE_MAX),
        ).fetchall()
    gone += db.execute(
        "DELETE FROM event WHERE end_ns < ?1 OR id IN"
        " (SELECT id FROM event WHERE end_ns < ?2 ORDER BY end_ns DESC, start_ns DESC LIMIT -1 OFFSET ?3)"
        " RETURNING id, device",
        (before_ns, OPEN_NS, EVENTS_MAX),
    ).fetchall()
    return gone


def unreadable(db: sqlite3.Connection) -> Iterator[str]:
    """Yield a line for each row that is no event or no account; none for a database of before there were any."""
    if not exist(db):
        return
    for table, name, decode in (("event", "id", _event), ("account", "device", _account)):
        for key, body in db.execute(f"SELECT {name}, body FROM {table}"):
            try:
                decode(body)
            except (msgspec.MsgspecError, TypeError) as exc:
                yield f"{table} {key}: cannot be read: {exc}"
