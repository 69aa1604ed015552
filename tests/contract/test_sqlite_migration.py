"""Databases of schema 1, with a row for each reading, become blocks at the next start: killed at any point, it goes on."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.support import stored

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Committed, DeviceFacts, Reading, Receipt, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteDeadLetters, SqliteReader, SqliteWriter
from sensorline.stores.sqlite.schema import open_writer
from sensorline.stores.sqlite.versions import MIGRATIONS

SECOND_NS = 10**9
HOUR_S, DAY_S = 3_600, 86_400
T0_S = 1_790_000_000 // DAY_S * DAY_S
DESK, ROOF = Series("desk", "temperature"), Series("roof", "wind")
RAW_CUT_S = T0_S + 2 * DAY_S + 5 * HOUR_S
"""Retention has deleted single readings before this, …"""
MINUTES_CUT_S = T0_S + DAY_S + 3 * HOUR_S
"""… and minutes before this."""
END_S = T0_S + 4 * DAY_S

SCHEMA_1 = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    latest_ns INTEGER NOT NULL,
    latest_value REAL NOT NULL,
    UNIQUE (device, metric)
);
CREATE TABLE reading (
    series_id INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series_id, time_ns)
) WITHOUT ROWID;
CREATE TABLE rollup_minute (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
CREATE TABLE rollup_hour (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    min REAL NOT NULL, max REAL NOT NULL, sum REAL NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
CREATE TABLE dirty_minute (
    series_id INTEGER NOT NULL,
    start_s INTEGER NOT NULL,
    PRIMARY KEY (series_id, start_s)
) WITHOUT ROWID;
CREATE TABLE device (
    name TEXT PRIMARY KEY,
    last_seen_ns INTEGER,
    facts BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    received_ns INTEGER NOT NULL
);
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    n INTEGER NOT NULL,
    packed BLOB NOT NULL
);
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) WITHOUT ROWID;
"""
"""As the first versions made it."""

Model = dict[Series, dict[int, float]]


def old_store(path: Path) -> Model:
    """Make a database as the first versions left it, cut by retention; return every reading that it ever had."""
    model: Model = {
        DESK: {s * SECOND_NS: round(s % 977 / 10, 1) for s in range(T0_S, END_S, 97)},
        ROOF: {s * SECOND_NS + 5: s % 13 / 7 for s in range(T0_S + 40, END_S, 1_801)},
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 8192")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        for statement in SCHEMA_1.split(";\n"):
            db.execute(statement)
        for i, (series, readings) in enumerate(model.items(), 1):
            newest = max(readings)
            db.execute("INSERT INTO series VALUES (?, ?, ?, ?, ?)", (i, *series, newest, readings[newest]))
            facts = msgspec.msgpack.encode(DeviceFacts(series.device, name=series.device.title()))
            db.execute("INSERT INTO device VALUES (?, ?, ?)", (series.device, newest, facts))
            db.executemany("INSERT INTO reading VALUES (?, ?, ?)", [(i, t, v) for t, v in readings.items()])
        for table, seconds in (("rollup_minute", 60), ("rollup_hour", HOUR_S)):
            db.execute(
                f"INSERT INTO {table} SELECT series_id, time_ns / {seconds * SECOND_NS} * {seconds} AS s, min(value),"
                " max(value), sum(value), count(*) FROM reading GROUP BY series_id, s"
            )
        db.execute("DELETE FROM reading WHERE time_ns < ?", (RAW_CUT_S * SECOND_NS,))
        db.execute("DELETE FROM rollup_minute WHERE start_s < ?", (MINUTES_CUT_S,))
        # Two that came late, one for what retention has left and one for what it has not; their minutes are still due.
        for late_s in (RAW_CUT_S - 30 * 60, RAW_CUT_S + 7 * HOUR_S):
            time_ns = late_s * SECOND_NS + 77
            model[DESK][time_ns] = 500.5
            db.execute("INSERT INTO reading VALUES (1, ?, 500.5)", (time_ns,))
            db.execute("INSERT INTO dirty_minute VALUES (1, ?)", (late_s // 60 * 60,))
        db.execute(
            "INSERT INTO dead_letter VALUES (7, 'x', x'3f', 'value_null', 'why', ?)", (END_S * SECOND_NS,)
        )
        for n in (1, 3):
            packed = b"".join(n.to_bytes(2, "big") + (2**64 - k).to_bytes(8, "big") for k in range(1, n + 1))
            db.execute("INSERT INTO receipts (n, packed) VALUES (?, ?)", (n, packed))
        db.executemany(
            "INSERT INTO counter VALUES (?, ?)",
            [
                ("readings", sum(map(len, model.values()))),
                ("dead_letters", 9),
                ("raw_deleted_before_s", RAW_CUT_S),
            ],
        )
        db.execute("PRAGMA user_version = 1")
        db.execute("COMMIT")
    return model


def check(path: Path, model: Model) -> None:
    """Compare a migrated database with every reading there ever was."""
    reader = SqliteReader(path)
    try:
        for series, readings in model.items():
            kept = sorted((t, v) for t, v in readings.items() if t >= RAW_CUT_S * SECOND_NS)
            assert list(reader.export(series, 0, 2**62)) == kept
            for start_s, end_s, points in (
                (T0_S, END_S, 1),
                (T0_S, END_S, 4),
                (T0_S, END_S, 200),
                (MINUTES_CUT_S, RAW_CUT_S + HOUR_S, 1_600),
                (RAW_CUT_S, RAW_CUT_S + HOUR_S, 100),
                (RAW_CUT_S - HOUR_S, RAW_CUT_S, 100),
            ):
                columns = reader.query(series, start_s * SECOND_NS, end_s * SECOND_NS, points)
                width_ns = columns.bucket_ns or 1
                expected: dict[int, list[float]] = {}
                for t, v in sorted(readings.items()):
                    if start_s * SECOND_NS // width_ns <= t // width_ns < -(-end_s * SECOND_NS // width_ns):
                        expected.setdefault(t // width_ns * width_ns, []).append(v)
                assert columns.start_ns == sorted(expected), (series, points)
                assert columns.n == [len(values) for values in expected.values()]
                assert columns.min == [min(values) for values in expected.values()]
                assert columns.max == [max(values) for values in expected.values()]
                assert columns.mean == pytest.approx([sum(v) / len(v) for v in expected.values()], rel=1e-12)
        assert [(i.series, i.time_ns) for i in reader.latest()] == [
            (series, max(readings)) for series, readings in model.items()
        ]
        assert [(d.facts.name, d.last_seen_ns) for d in reader.devices()] == [
            ("Desk", max(model[DESK])),
            ("Roof", max(model[ROOF])),
        ]
    finally:
        reader.close()
    assert [letter.id for letter in SqliteDeadLetters(path).list(10)] == [7]
    with closing(SqliteWriter(StoreSettings(path=path, keep_raw_days=0, keep_minutes_days=0))) as writer:
        state = writer.state()
        assert (state.readings, state.dead_letters) == (sum(map(len, model.values())), 9)
        receipts = [Receipt(1, 2**64 - 1), *(Receipt(3, 2**64 - k) for k in (1, 2, 3))]
        assert list(writer.receipts()) == receipts


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorline.stores.sqlite.moving.READINGS_PER_STEP", 400)


def test_everything_is_there_after_the_migration(tmp_path: Path) -> None:
    model = old_store(tmp_path / "a.db")
    open_writer(tmp_path / "a.db", MIGRATIONS).close()
    check(tmp_path / "a.db", model)


def test_a_migrated_store_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    model = old_store(path)
    with closing(SqliteWriter(StoreSettings(path=path, keep_raw_days=0, keep_minutes_days=0))) as writer:
        repeated = [Reading(DESK, t, v) for t, v in model[DESK].items() if t >= RAW_CUT_S * SECOND_NS]
        assert writer.commit(Batch.of(repeated)) == Committed(0, len(repeated), 0)
        new = [Reading(DESK, (END_S + i) * SECOND_NS, i / 10) for i in range(-200_000, 9_000, 11)]
        new = [reading for reading in new if reading.time_ns not in model[DESK]]
        assert writer.commit(Batch.of(new)).stored == len(new)
        model[DESK] |= {reading.time_ns: reading.value for reading in new}
        while writer.maintain((END_S + 2 * DAY_S) * SECOND_NS):
            pass
    check(path, model)


def test_a_reader_says_that_ingest_will_migrate(tmp_path: Path) -> None:
    old_store(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable, match="start ingest to migrate it"):
        SqliteReader(tmp_path / "a.db").latest()


_CHILD = """
import json, os, signal, sys
from pathlib import Path
from sensorline.stores.sqlite import moving, schema
from sensorline.stores.sqlite.versions import MIGRATIONS

moving.READINGS_PER_STEP = 400
connect = schema.sqlite3.connect

def open_and_die(path, at):
    left = [at]
    def tick(sql):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def watched(*args, **kwargs):
        db = connect(*args, **kwargs)
        db.set_trace_callback(tick)
        return db
    schema.sqlite3.connect = watched
    schema.open_writer(Path(path), MIGRATIONS).close()
    return at - left[0]

for line in sys.stdin:
    path, at = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            count = open_and_die(path, at)
            print(count, flush=True)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        print(-os.WTERMSIG(status), flush=True)
"""


@pytest.fixture
def migrate_and_die() -> Iterator[object]:
    """Open a store in a process that is killed at its n-th statement; says how many there were, or -9."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(path: Path, at: int) -> int:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps([str(path), at]) + "\n")
        child.stdin.flush()
        while not (line := child.stdout.readline()).strip().lstrip("-").isdigit():
            assert line, "the process is gone"
        return int(line)

    with child:
        yield run
        assert child.stdin is not None
        child.stdin.close()


def test_a_migration_killed_at_any_point_goes_on_and_loses_nothing(
    tmp_path: Path, migrate_and_die: object
) -> None:
    assert callable(migrate_and_die)
    template = tmp_path / "template.db"
    model = old_store(template)
    count = migrate_and_die(_copy(template, tmp_path / "whole.db"), 10**9)
    assert count > 150, "it is done in steps"
    # Every sixth statement, beginning with another one for each hundred: all kinds of places in two seconds.
    for statement in range(1, count - 5, 6):
        path = _copy(template, tmp_path / f"{statement}.db")
        assert migrate_and_die(path, statement + statement // 100 % 6) == -signal.SIGKILL
        # Killed once more a little later, then left in peace.
        migrate_and_die(path, 30)
        open_writer(path, MIGRATIONS).close()
        check(path, model)
        os.unlink(path)


def _copy(template: Path, path: Path) -> Path:
    path.write_bytes(template.read_bytes())
    return path


def test_a_long_migration_leaves_rollups_that_equal_the_readings(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    old_store(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # As if retention had never been.
        db.execute("DELETE FROM counter WHERE name = 'raw_deleted_before_s'")
        db.execute("DELETE FROM rollup_hour WHERE start_s < ?", (RAW_CUT_S,))
        db.execute("DELETE FROM rollup_minute WHERE start_s < ?", (RAW_CUT_S,))
    open_writer(path, MIGRATIONS).close()
    stored.assert_rollups_equal_raw(path)
