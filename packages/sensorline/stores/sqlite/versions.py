"""The embedded store's tables, and the way to them from the tables of earlier versions.

Version 1 had a row for each reading and each rollup. Version 2 has the tables of both layouts: its rows are on their way into blocks
(see moving), and nobody reads it. Version 3 has blocks. Version 4 has events, accounts, and notes in journal entries.
"""

import sqlite3

from sensorline.stores.journal import SNAPSHOT_TABLE
from sensorline.stores.journal import TABLES as JOURNAL_TABLES
from sensorline.stores.sqlite import events
from sensorline.stores.sqlite.moving import Moving, has_rows_layout
from sensorline.stores.sqlite.schema import LEDGER_TABLES, Migrations, run_script

_SERIES = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    latest_ns INTEGER NOT NULL,
    latest_value REAL NOT NULL,
    sealed_entry INTEGER NOT NULL DEFAULT 0,
    sealed_ns INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, metric)
);
"""
"""`latest_*` is the newest sealed reading. What entries of the journal up to `sealed_entry` hold before `sealed_ns` is sealed."""

_BLOCKS = (
    """
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE block_minutes (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);
CREATE TABLE day_block (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE day_minutes (
    id INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);
CREATE TABLE day_summary (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL, low REAL NOT NULL, mean REAL NOT NULL, high REAL NOT NULL,
    hours BLOB NOT NULL
);
"""
    + JOURNAL_TABLES
)
"""See layout for the keys, blocks and rollups for the bodies."""

_EVENTS = events.TABLES + SNAPSHOT_TABLE


def _create(db: sqlite3.Connection) -> None:
    run_script(db, _SERIES + _BLOCKS + LEDGER_TABLES + _EVENTS)


def _add_blocks(db: sqlite3.Connection) -> None:
    if not has_rows_layout(db):
        # Made by this version: the tables are there.
        return
    run_script(db, _BLOCKS)
    for column in ("sealed_entry", "sealed_ns"):
        db.execute(f"ALTER TABLE series ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")


def _add_events(db: sqlite3.Connection) -> None:
    if not events.exist(db):
        run_script(db, _EVENTS)


MIGRATIONS: Migrations = (_create, _add_blocks, Moving(), _add_events)
"""A new database is made as it is now; the later steps find nothing to do then."""
