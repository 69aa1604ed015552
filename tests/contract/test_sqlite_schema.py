"""The embedded store's schema: made and migrated as a whole, whatever happens in between."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sensorline.errors import StoreTooNew, StoreUnavailable
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline.stores.sqlite.backup import back_up
from sensorline.stores.sqlite.schema import open_reader, open_writer
from sensorline.stores.sqlite.versions import MIGRATIONS

Migration = Callable[[sqlite3.Connection], None]

NEXT_VERSION = [
    "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "ALTER TABLE series ADD COLUMN first_ns INTEGER",
    "UPDATE series SET first_ns = id * 7",
    "INSERT INTO note (text) SELECT device FROM series",
]
"""What a later version may do: a new table, a new column, filled from what is there."""


def _next_version(db: sqlite3.Connection) -> None:
    for statement in NEXT_VERSION:
        db.execute(statement)


_CHILD = """
import json, os, signal, sys
from pathlib import Path
from sensorline.stores.sqlite.schema import open_writer
from sensorline.stores.sqlite.versions import MIGRATIONS

def next_version(db):
    for statement in json.loads(sys.argv[1]):
        db.execute(statement)

def open_and_die(path, version, at):
    left = [at]
    def tick(sql):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def watched(step):
        def run(db):
            # From the migration's first statement on, and until after its COMMIT.
            db.set_trace_callback(tick)
            step(db)
        return run
    migrations = (*MIGRATIONS, next_version)[:version]
    open_writer(Path(path), tuple(map(watched, migrations))).close()

for line in sys.stdin:
    path, version, at = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            open_and_die(path, version, at)
        finally:
            os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


class Killer:
    """Opens a store in a process of its own that is killed at its n-th statement of migrating."""

    def __init__(self) -> None:
        # One process that forks for each kill: Python starts once, and nothing of pytest is forked.
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, json.dumps(NEXT_VERSION)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def killed_at(self, path: Path, version: int, statement: int) -> bool:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(path), version, statement]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) == signal.SIGKILL


@pytest.fixture
def killer() -> Iterator[Killer]:
    made = Killer()
    with made.process:
        yield made


def _schema(path: Path) -> tuple[int, list[str]]:
    db = sqlite3.connect(path)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        return version, [name for (name,) in db.execute("SELECT name FROM sqlite_master ORDER BY name")]
    finally:
        db.close()


def _statements(path: Path, migrations: tuple[Migration, ...]) -> int:
    seen: list[str] = []

    def watched(step: Migration) -> Migration:
        def run(db: sqlite3.Connection) -> None:
            db.set_trace_callback(seen.append)
            step(db)

        return run

    open_writer(path, tuple(watched(step) for step in migrations)).close()
    return len(seen)


def test_a_store_whose_making_was_killed_at_any_statement_is_made_the_next_time(
    tmp_path: Path, killer: Killer
) -> None:
    count = _statements(tmp_path / "whole.db", MIGRATIONS)
    expected = _schema(tmp_path / "whole.db")
    assert count >= 10
    for statement in range(1, count + 1):
        path = tmp_path / f"{statement}.db"
        assert killer.killed_at(path, len(MIGRATIONS), statement)
        # It is made whole by the first step; the later ones find nothing to do.
        assert _schema(path) in ((0, []), *((version, expected[1]) for version in range(1, expected[0] + 1)))
        open_writer(path, MIGRATIONS).close()
        assert _schema(path) == expected


def test_a_migration_killed_at_any_statement_happened_whole_or_not_at_all_and_goes_on(
    tmp_path: Path, killer: Killer
) -> None:
    migrations = (*MIGRATIONS, _next_version)

    def old_store(name: str) -> Path:
        path = tmp_path / name
        writer = SqliteWriter(StoreSettings(path=path))
        writer.commit(Batch.of([Reading(Series("desk", "t"), 10**18 + i, float(i)) for i in range(100)]))
        writer.close()
        return path

    whole = old_store("whole.db")
    before = _schema(whole)
    count = _statements(whole, migrations)
    after = _schema(whole)
    assert after != before
    for statement in range(1, count + 1):
        path = old_store(f"{statement}.db")
        assert killer.killed_at(path, len(migrations), statement)
        assert _schema(path) in (before, after)
        db = open_writer(path, migrations)
        reader = SqliteReader(path, migrations)
        assert [value for _, value in reader.export(Series("desk", "t"), 0, 2**62)] == list(range(100))
        reader.close()
        assert db.execute("SELECT first_ns FROM series").fetchall() == [(7,)]
        assert db.execute("SELECT text FROM note").fetchall() == [("desk",)]
        db.close()


def test_a_store_without_events_gets_their_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    writer = SqliteWriter(StoreSettings(path=path))
    writer.commit(Batch.of([Reading(Series("desk", "t"), 10**18, 1.0)]))
    writer.close()
    whole = _schema(path)
    db = sqlite3.connect(path)
    for table in ("event", "account", "snapshot"):
        db.execute(f"DROP TABLE {table}")
    db.execute("PRAGMA user_version = 3")
    db.commit()
    db.close()
    # Before an upgrade people make a backup, perhaps with the new version's program.
    assert back_up(path, tmp_path / "backup.db").readings == 1
    writer = SqliteWriter(StoreSettings(path=path))
    assert (writer.open_events(), writer.accounts(), writer.recall()) == ([], [], (b"", []))
    writer.close()
    assert _schema(path) == whole


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_writer(path, MIGRATIONS).close()
    before = _schema(path)

    def broken(db: sqlite3.Connection) -> None:
        _next_version(db)
        db.execute("INSERT INTO note VALUES (1, NULL)")

    with pytest.raises(StoreUnavailable, match="NOT NULL"):
        open_writer(path, (*MIGRATIONS, broken))
    assert _schema(path) == before


def test_a_store_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_writer(path, (*MIGRATIONS, _next_version)).close()
    before = _schema(path)
    with pytest.raises(StoreTooNew, match="install the newer version"):
        SqliteWriter(StoreSettings(path=path))
    with pytest.raises(StoreUnavailable, match=rf"schema {len(MIGRATIONS) + 1}, expected {len(MIGRATIONS)}"):
        open_reader(path, MIGRATIONS)
    assert _schema(path) == before


def test_a_reader_waits_for_the_writer_to_migrate(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    sqlite3.connect(path).close()
    reader = SqliteReader(path)
    with pytest.raises(StoreUnavailable):
        reader.latest()
    open_writer(path, MIGRATIONS).close()
    assert reader.latest() == []
    reader.close()


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is no database, it is a letter to somebody" * 100)
    for opened in (open_writer, open_reader):
        with pytest.raises(StoreUnavailable, match=r"cannot (use|read) the store .*a\.db"):
            opened(path, MIGRATIONS)
    assert path.read_bytes().startswith(b"this is no database")


def test_a_folder_in_the_place_of_the_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot open the store"):
        open_writer(tmp_path, MIGRATIONS)


def test_a_commit_is_synced_to_the_disk_before_it_returns(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "a.db", MIGRATIONS)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


def test_a_folder_with_signs_of_a_url_can_hold_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c %41" / "ö.db"
    SqliteWriter(StoreSettings(path=path)).close()
    reader = SqliteReader(path)
    assert reader.latest() == []
    reader.close()
    assert path.is_file()
