"""Backups as docs/operations.md describes them: made while ingest runs, restored by the documented commands."""

import json
import sqlite3
import stat
import struct
import time
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.documented import run_block
from tests.support.ports import unique
from tests.support.processes import run_sensorline
from tests.support.publishers import Client, Stream
from tests.support.waiting import wait_until

from sensorline.reading import Batch, DeadLetter, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter

T0_NS = 1_790_000_000 * 10**9
DESK = Series("desk", "temperature")


def back_up(store: Path, target: Path, code: int = 0) -> str:
    """Run the command; return its answer, or with a code what it says is wrong."""
    done = run_sensorline("store", "backup", "--store", str(store), str(target), folder=store.parent)
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    said = (done.stderr if code else done.stdout).decode()
    assert said.count("\n") == 1, "one clear line"
    return said


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A store of 3,000 readings and a dead letter that nobody has open."""
    path = tmp_path / "store.db"
    writer = SqliteWriter(StoreSettings(path=path))
    writer.commit(
        Batch.of(
            [Reading(DESK, T0_NS + i * 10**9, float(i)) for i in range(3_000)],
            dead_letters=[DeadLetter("sensors/desk/t", b"warm", "value_not_a_number", "why", T0_NS)],
        )
    )
    writer.close()
    return path


def test_a_backup_under_load_is_one_moment_of_the_store_and_ingest_goes_on_from_it(
    any_broker: Broker, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    device, begin_ms = unique("numbered"), int(time.time() * 1000) - 3600_000

    def message(n: int) -> tuple[str, bytes]:
        return f"sensors/{device}/m", json.dumps({"value": n + 0.5, "ts": begin_ms + n}).encode()

    ingest = make_ingest(any_broker).start_ready()

    def wait_for_more(before: int) -> None:
        wait_until(lambda: stored.count(ingest.store) > before, 10, "ingest to store more")

    stream = Stream(any_broker.port, message, 1_500)
    backups = [tmp_path / f"backup-{i}.db" for i in range(3)]
    for backup in backups:
        wait_for_more(stored.count(ingest.store))
        assert "checked" in back_up(ingest.store, backup)
    total = stream.finish()
    wait_until(lambda: stored.count(ingest.store) == total, 20, f"{total} readings")
    held = []
    for backup in backups:
        points = stored.points(backup)
        # One publisher's readings are committed in order: a moment of the store is the first so many of them.
        assert [value for *_, value in points] == [n + 0.5 for n in range(len(points))]
        stored.assert_rollups_equal_raw(backup)
        held.append(len(points))
    assert 0 < held[0] < held[-1] <= total

    assert ingest.stop() == 0
    places = {
        "/var/lib/sensorline": ingest.store.parent,
        "/mnt/backup/sensorline-2026-11-21.db": backups[-1],
        "sensorline.db": ingest.store.name,
    }
    run_block("cp /mnt/backup/sensorline-", places, folder=tmp_path)
    ingest.start_ready()
    with Client(any_broker.port) as client:
        client.publish(*message(total))
    wait_until(lambda: stored.count(ingest.store) == held[-1] + 1, 10, "a reading after the restore")
    assert stored.points(ingest.store)[-1][3] == total + 0.5
    assert ingest.stop() == 0


def test_a_backup_says_what_is_in_it_and_is_one_file_for_its_owner_only(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    target = folder / "one.db"
    said = back_up(filled, target)
    size_bytes = target.stat().st_size
    assert said == (
        f"backed up {filled} to {target}: 3,000 readings in 1 series, {size_bytes:,} bytes, checked\n"
    )
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    # Not even a log beside it: readable on a medium that cannot be written.
    assert list(folder.iterdir()) == [target]
    db = sqlite3.connect(f"file:{target}?mode=ro&immutable=1", uri=True)
    assert db.execute("SELECT count(*) FROM series").fetchone() == (1,)
    db.close()
    assert [letter.payload for letter in stored.dead_letters(target)] == [b"warm"]


def test_the_documented_command_backs_up_the_store_that_it_names(filled: Path, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    places = {"/var/lib/sensorline/sensorline.db": filled, "/mnt/backup": backups}
    assert "3,000 readings" in run_block("sensorline store backup --store", places, folder=tmp_path)
    (made,) = backups.iterdir()
    assert stored.count(made) == 3_000


def test_a_backup_overwrites_nothing(filled: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    assert f"{target} exists already: a backup overwrites nothing" in back_up(filled, target, code=1)
    assert "exists already" in back_up(filled, filled, code=1), "not even the store itself"
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert "exists already" in back_up(filled, tmp_path / "dangling", code=1)
    assert target.read_text() == "precious"


def test_what_is_damaged_or_no_store_is_named_and_leaves_no_file(filled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    target = folder / "one.db"
    assert "STORE_PATH names it" in back_up(tmp_path / "missing.db", target, code=1)
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE unlike (x)")
    db.close()
    assert f"{other} is not a store of Sensorline" in back_up(other, target, code=1)
    other.write_text("no database, just some text that is long enough to be read as a header. " * 20)
    assert "file is not a database" in back_up(other, target, code=1)
    assert "cannot write to" in back_up(filled, folder / "none" / "one.db", code=1)
    # Bits that a failing card has turned, inside the journal's entry: SQLite sees nothing wrong, its checksum does.
    whole = filled.read_bytes()
    there = whole.index(struct.pack("<BBIII", 1, 1, 1, 3_000, 0)) + 100
    filled.write_bytes(whole[:there] + bytes(8) + whole[there + 8 :])
    assert f"{filled} is damaged, so nothing was backed up" in back_up(filled, target, code=1)
    # A page that is gone.
    page = there // 4096 * 4096
    filled.write_bytes(whole[:page] + bytes(4096) + whole[page + 4096 :])
    assert f"{filled} is damaged, so nothing was backed up" in back_up(filled, target, code=1)
    assert list(folder.iterdir()) == []
