"""What the doctor says of the SQLite file."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.sqlite_file import SqliteFile
from sensorline.reading import Batch, DeadLetter
from sensorline.settings import DecodingSettings, MqttSettings, StoreSettings
from sensorline.stores.influxdb.local import LocalFile, path_beside
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline.stores.sqlite.inspection import inspect
from sensorline.stores.sqlite.versions import MIGRATIONS


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store that a writer has made."""
    SqliteWriter(StoreSettings(path=tmp_path / "store.db")).close()
    return tmp_path / "store.db"


def judged(path: Path, *, beside_influxdb: bool = False) -> dict[str, Finding]:
    url = "http://127.0.0.1:1" if beside_influxdb else ""
    influx = InfluxSettings(url=url, org="o", token="t")  # type: ignore[arg-type]  # text becomes a SecretStr
    context = Context(
        mqtt=MqttSettings(),
        store=StoreSettings(path=path, journal_max_mb=1.0),
        influx=influx,
        decoding=DecodingSettings(),
        batch_max=1_000,
        ingest_url="",
        web_url="",
        queue_wanted=100,
        mosquitto_conf=None,
        secret_files=(),
        begun_s=time.monotonic(),
    )
    return {finding.check: finding for finding in SqliteFile(context).findings()}


def test_a_good_store_is_fine_and_stays_as_it_was(store: Path) -> None:
    before = store.read_bytes()
    found = judged(store)
    assert {finding.level for finding in found.values()} == {Level.FINE}
    assert store.read_bytes() == before


def test_a_commit_does_not_wait_for_the_doctor(store: Path) -> None:
    writer = SqliteWriter(StoreSettings(path=store))
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA busy_timeout = 0")
        # As the doctor looks, with the question still open.
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM series").fetchone()
        writer.commit(Batch())
        assert {finding.level for finding in judged(store).values()} == {Level.FINE}
    writer.close()


def test_no_store_and_another_versions_are_named(store: Path, tmp_path: Path) -> None:
    assert judged(tmp_path / "other.db")["file"].level is Level.WARNING
    for version, level in ((99, Level.PROBLEM), (1, Level.WARNING)):
        with closing(sqlite3.connect(store)) as db:
            db.execute(f"PRAGMA user_version = {version}")
        found = judged(store)["schema"]
        assert found.level is level
        assert f"has schema {version}" in found.says


def test_damage_is_found(store: Path) -> None:
    with closing(sqlite3.connect(store)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'device'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with store.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    found = judged(store)["integrity"]
    assert found.level is Level.PROBLEM
    assert "is damaged" in found.says


def test_a_file_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"no database" * 1_000)
    assert judged(path)["readable"].level is Level.PROBLEM


def test_a_check_that_takes_too_long_is_ended(store: Path) -> None:
    with closing(sqlite3.connect(store)) as db:
        db.execute("CREATE TABLE large (x)")
        db.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO large SELECT i FROM n"
        )
        db.execute("CREATE INDEX large_x ON large (x)")
        db.commit()
    found = inspect(store, MIGRATIONS, since_ns=0, check_for_s=0.0)
    assert (found.is_checked, found.faults) == (False, [])
    assert inspect(store, MIGRATIONS, since_ns=0, check_for_s=30.0).is_checked


def test_messages_of_the_last_day_that_are_no_readings_are_counted(store: Path) -> None:
    writer = SqliteWriter(StoreSettings(path=store))
    now_ns = time.time_ns()
    letters = [
        DeadLetter("sensors/x/y", b"?", "not_a_number", "", now_ns - age_s * 10**9)
        for age_s in (10, 20, 90_000)
    ]
    writer.commit(Batch(dead_letters=letters))
    writer.close()
    assert "2 messages of the last 24 hours" in judged(store)["dead_letters"].says


def test_files_of_one_store_that_belong_to_different_users_are_a_problem(store: Path) -> None:
    log = store.with_name("store.db-wal")
    log.touch()
    try:
        import os

        os.chown(log, 12_345, 12_345)
    except PermissionError:
        pytest.skip("only root gives files to others: run as root")
    found = judged(store)["owner"]
    assert found.level is Level.PROBLEM
    assert found.fix.startswith(f"chown --reference={store} ")


def test_a_journal_that_fills_up_behind_influxdb_is_an_alarm(store: Path) -> None:
    LocalFile(path_beside(store)).close()
    assert judged(store, beside_influxdb=True)["journal"].level is Level.FINE
    with closing(sqlite3.connect(path_beside(store))) as db:
        db.execute("INSERT INTO journal (entries) VALUES (zeroblob(900000))")
        db.commit()
    found = judged(store, beside_influxdb=True)["journal"]
    assert found.level is Level.PROBLEM
    assert "STORE_JOURNAL_MAX_MB=4" in found.fix
