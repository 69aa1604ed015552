"""`sensorline store check` finds what is not as it was written, and makes rollups anew."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import stored
from tests.support.processes import run_sensorline

from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline.stores.sqlite.backup import back_up
from sensorline.stores.sqlite.check import Check

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
T0_NS = 1_790_000_000 * SECOND_NS // DAY_NS * DAY_NS
DESK, ROOF = Series("desk", "temperature"), Series("roof", "wind")


def fill(path: Path, **keep_days: float) -> int:
    """Store two days of readings, joined, some windows of a third, and some that are not sealed; return how many."""
    keep: dict[str, float] = {"keep_raw_days": 0, "keep_minutes_days": 0} | keep_days
    n = 0
    with closing(SqliteWriter(StoreSettings(path=path, **keep))) as writer:  # type: ignore[arg-type]  # pydantic checks
        for begin_ns, count in (
            (T0_NS, 6_000),
            (T0_NS + 2 * DAY_NS, 1_000),
            (T0_NS + 2 * DAY_NS + DAY_NS // 2, 30),
        ):
            times = [begin_ns + i * 31 * SECOND_NS for i in range(count)]
            readings = [Reading(s, t, i % 97 / 10) for s in (DESK, ROOF) for i, t in enumerate(times)]
            n += writer.commit(Batch.of(readings)).stored
            if count > 30:
                while writer.maintain(times[-1] + 3_600 * SECOND_NS):
                    pass
    return n


def findings(path: Path, *, repair: bool = False) -> list[str]:
    return list(Check(path, repair=repair).findings())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a.db"
    fill(made)
    return made


def test_a_journal_whose_ring_has_turned_has_no_faults_and_can_be_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    rng = random.Random(4)
    with closing(SqliteWriter(StoreSettings(path=path, keep_raw_days=0))) as writer:
        for i in range(40):
            now_ns = T0_NS + i * 150 * SECOND_NS
            batch = Batch.of([Reading(DESK, now_ns + j, rng.random()) for j in range(3_000)])
            # Earlier receipts mean nothing any more, so that nothing but readings keeps entries.
            batch.begins_session = True
            writer.commit(batch)
            while writer.maintain(now_ns):
                pass
    with closing(sqlite3.connect(path)) as db:
        (segments,) = db.execute("SELECT count(*) FROM journal").fetchone()
    check = Check(path)
    assert list(check.findings()) == []
    assert check.result.readings == 120_000
    assert check.result.entries < 40, "the ring has not turned"
    assert segments < 8
    assert back_up(path, tmp_path / "backup.db").readings == 120_000


def test_an_event_or_an_account_that_cannot_be_read_is_named(path: Path) -> None:
    with closing(SqliteWriter(StoreSettings(path=path))) as writer:
        event = Event("a", EventKind.SILENT, "desk", T0_NS, None)
        writer.commit(Batch(events=[event], accounts=[Account("desk"), Account("roof")]))
    assert findings(path) == []
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE event SET body = x'93'")
        db.execute("UPDATE account SET body = 'text' WHERE device = 'roof'")
        db.commit()
    first, second = findings(path)
    assert first.startswith("event a: cannot be read")
    assert second.startswith("account roof: cannot be read")


@pytest.mark.parametrize(
    "keep_days", [{}, {"keep_raw_days": 1.3}, {"keep_raw_days": 0.2, "keep_minutes_days": 1.1}]
)
def test_a_store_as_it_was_written_has_no_faults(tmp_path: Path, keep_days: dict[str, float]) -> None:
    count = fill(tmp_path / "a.db", **keep_days)
    check = Check(tmp_path / "a.db")
    assert list(check.findings()) == []
    assert (check.result.faults, check.result.series, check.result.entries) == (0, 2, 3)
    assert check.result.blocks > 30
    assert check.result.readings == count if not keep_days else check.result.readings < count


def damage(path: Path, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert db.execute(sql, parameters).rowcount > 0


def flip(path: Path, table: str, column: str) -> None:
    """Change a byte of the last row's blob."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        key, body = db.execute(f"SELECT id, {column} FROM {table} ORDER BY id DESC LIMIT 1").fetchone()
        body = body[:-3] + bytes((body[-3] ^ 0x20,)) + body[-2:]
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (body, key))


@pytest.mark.parametrize(
    ("table", "word"),
    [("block", "wrong checksum"), ("day_block", "wrong checksum")],
)
def test_a_damaged_block_is_named_and_cannot_be_repaired(path: Path, table: str, word: str) -> None:
    flip(path, table, "body")
    for repair in (False, True):
        (line,) = findings(path, repair=repair)
        assert line.startswith("roof:wind from 2026-09-")
        assert word in line
        assert "repaired" not in line


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: flip(path, "block_minutes", "body"),
        lambda path: flip(path, "day_minutes", "body"),
        lambda path: flip(path, "day_summary", "hours"),
        lambda path: damage(path, "DELETE FROM block_minutes WHERE id = (SELECT max(id) FROM block_minutes)"),
        lambda path: damage(path, "DELETE FROM day_minutes WHERE id = (SELECT max(id) FROM day_minutes)"),
        lambda path: damage(path, "DELETE FROM day_summary WHERE id = (SELECT min(id) FROM day_summary)"),
        lambda path: damage(
            path, "UPDATE day_summary SET n = n + 1 WHERE id = (SELECT min(id) FROM day_summary)"
        ),
        lambda path: damage(
            path, "UPDATE day_minutes SET body = (SELECT body FROM day_minutes ORDER BY id LIMIT 1)"
        ),
        lambda path: damage(path, "UPDATE counter SET n = n - 1 WHERE name = 'readings'"),
    ],
)
def test_wrong_rollups_and_counts_are_found_and_repaired(
    path: Path, break_it: Callable[[Path], None]
) -> None:
    before = stored.points(path)
    break_it(path)
    found = findings(path)
    assert found
    assert findings(path) == found, "looking changes nothing"
    repaired = findings(path, repair=True)
    assert all(line.endswith("; repaired") for line in repaired)
    assert findings(path) == []
    stored.assert_rollups_equal_raw(path)
    assert stored.points(path) == before


def test_a_block_in_the_wrong_place_or_doubled_is_found(path: Path) -> None:
    damage(
        path,
        "INSERT INTO block SELECT id + 1, n, first_ns, last_ns, body FROM block WHERE id = (SELECT max(id) FROM block)",
    )
    assert any("not in order of time" in line for line in findings(path))
    damage(path, "DELETE FROM block WHERE id = (SELECT max(id) FROM block)")
    damage(path, "UPDATE block SET id = id + (1 << 39) WHERE id = (SELECT max(id) FROM block)")
    assert any("not in order of time" in line for line in findings(path))


def test_a_damaged_entry_of_the_journal_is_found(path: Path) -> None:
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        db.blobopen("journal", "entries", 1) as blob,
    ):
        blob.seek(100)
        blob.write(b"damaged")
    assert any(line.startswith("journal, entries 1 to 1") for line in findings(path))


def test_the_command_says_what_it_found_and_exits_with_1_while_faults_are_left(path: Path) -> None:
    def run(*options: str) -> tuple[int, list[str]]:
        done = run_sensorline("store", "check", "--store", str(path), *options, folder=path.parent)
        assert done.stderr == b""
        return done.returncode, done.stdout.decode().splitlines()

    code, lines = run()
    assert code == 0
    (line,) = lines
    assert line.startswith(f"checked {path}: 14,060 readings in 2 series, ")
    assert line.endswith("entries of the journal; no faults")
    flip(path, "day_minutes", "body")
    code, lines = run()
    assert (code, len(lines), lines[-1].endswith("; 1 fault")) == (1, 2, True)
    code, lines = run("--repair")
    assert (code, len(lines), lines[-1].endswith("; no faults, 1 repaired")) == (0, 2, True)
    assert run()[0] == 0
