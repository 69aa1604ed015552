"""Readers beside a writer: each sees whole commits, and neither waits for the other."""

import subprocess
import sys
import threading
from typing import Any

import pytest
from tests.contract.conftest import ONE_OF_EACH
from tests.support.waiting import wait_until

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteDeadLetters, SqliteReader, SqliteWriter

SECOND_NS = 10**9

_CHILD = """
import sys
from sensorline.reading import Series
print("ready", flush=True)
for line in sys.stdin:
    start_ns, end_ns, points = map(int, line.split())
    columns = reader.query(Series("desk", "temperature"), start_ns, end_ns, points)
    print(sum(columns.n), len(reader.latest()), flush=True)
"""


def test_a_reader_in_another_process_sees_each_commit_when_it_is_done(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 0.0)))
    child = subprocess.Popen(
        [sys.executable, "-c", store.reader_source() + _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        for i in range(1, 40):
            store.writer.commit(batch.readings((i * SECOND_NS, float(i))))
            store.writer.maintain(batch.t0_ns + i * 20 * SECOND_NS)
            child.stdin.write(f"{batch.t0_ns} {batch.t0_ns + 3600 * SECOND_NS} {5 if i % 2 else 500}\n")
            child.stdin.flush()
            assert child.stdout.readline() == f"{i + 1} 1\n"
    finally:
        child.stdin.close()
        assert child.wait(10) == 0
        child.stdout.close()


@pytest.mark.parametrize("make_store", ONE_OF_EACH, indirect=True)
def test_a_reader_never_sees_half_a_commit_while_the_writer_goes_on(store: Any, batch: Any) -> None:
    """Each commit holds ten readings of each of two series: every count read is a multiple of ten."""
    pair = (batch.desk, Series("desk", "humidity"))
    commits = 150
    store.writer.commit(Batch.of([Reading(s, batch.t0_ns - 1 - i, 0.0) for s in pair for i in range(10)]))
    failures: list[str] = []
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        reader = store.new_reader()
        while not done.is_set():
            for points in (10_000, 100, 1):
                counts = [sum(reader.query(s, 0, batch.t0_ns + 10**6 * SECOND_NS, points).n) for s in pair]
                seen.update(counts)
                if any(count % 10 for count in counts) or counts[0] > counts[1]:
                    failures.append(f"{counts} with {points} points")
        reader.close()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(commits):
            times = [batch.t0_ns + (i * 10 + j) * 7 * SECOND_NS for j in range(10)]
            store.writer.commit(Batch.of([Reading(s, t, 1.0) for s in pair for t in times]))
            store.writer.maintain(times[-1])
        wait_until(lambda: commits * 10 + 10 in seen, 10, "a reader to see the last commit")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert commits * 10 + 10 in seen, "the last commit was never seen"


def test_an_export_goes_on_while_readings_are_added(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings(*((i * 2, float(i)) for i in range(12_000))))
    export = store.reader.export(batch.desk, 0, batch.t0_ns + 24_000)
    got = [next(export) for _ in range(3)]
    store.writer.commit(batch.readings((1, 1.0), (24_001, 1.0), (23_999, 1.0)))
    got += list(export)
    assert [t for t, _ in got[:3]] == [batch.t0_ns, batch.t0_ns + 2, batch.t0_ns + 4]
    assert got == sorted(set(got))
    assert len(got) == 12_001


def test_a_reader_of_sqlite_says_unavailable_before_there_is_a_store_and_works_as_soon_as_there_is(
    batch: Any, tmp_path: Any
) -> None:
    path = tmp_path / "not yet" / "sensorline.db"
    reader, dead_letters = SqliteReader(path), SqliteDeadLetters(path)
    for question in (
        reader.latest,
        reader.devices,
        lambda: reader.query(batch.desk, 0, 1, 1),
        lambda: list(reader.export(batch.desk, 0, 1)),
        lambda: dead_letters.list(1),
        lambda: dead_letters.get(1),
    ):
        with pytest.raises(StoreUnavailable, match="has ingest been started yet"):
            question()
    assert not path.exists(), "a reader makes no database"
    path.parent.mkdir()
    writer = SqliteWriter(StoreSettings(path=path))
    writer.commit(batch.readings((0, 21.5)))
    assert [i.value for i in reader.latest()] == [21.5]
    assert dead_letters.list(1) == []
    reader.close()
    writer.close()


def test_a_reader_that_was_closed_opens_again(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 21.5)))
    assert len(store.reader.latest()) == 1
    store.reader.close()
    assert len(store.reader.latest()) == 1


def test_a_reader_outlives_the_writer_and_its_restart(store: Any, batch: Any) -> None:
    reader = store.new_reader()
    store.writer.commit(batch.readings((0, 1.0)))
    assert len(list(reader.export(batch.desk, 0, 2**62))) == 1
    store.reopen()
    store.writer.commit(batch.readings((1, 2.0)))
    assert len(list(reader.export(batch.desk, 0, 2**62))) == 2
    reader.close()
