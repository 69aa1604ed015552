"""Killed at any statement of commits, seals and snapshots: tracking's state is that of exactly what is stored."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sensorline.reading import Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline.stores.sqlite.check import Check

_CHILD = """
import json, os, random, signal, sys
from pathlib import Path
from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter, sealing, writer as writer_

T0_NS, WINDOW_NS, COMMITS = 1_790_000_000 * 10**9, 600 * 10**9, 48
NOISE = random.Random(7)

def work(path, at, does_upkeep):
    left = [at]
    def tick(sql):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    writer = SqliteWriter(StoreSettings(path=Path(path), keep_raw_days=0))
    if not does_upkeep:
        # Memory is full after a few readings: then commits do what upkeep has left undone.
        sealing.UNSEALED_MAX = writer_.UNSEALED_MAX = 2
    count = 0
    writer.keep(lambda: b"%d" % count)
    if at:
        writer._db.set_trace_callback(tick)
    for i in range(COMMITS):
        now_ns = T0_NS + i * WINDOW_NS // 12
        batch = Batch.of([Reading(Series("desk", "t"), now_ns, float(i))])
        # No receipts of earlier batches are needed: only notes keep entries in the ring.
        batch.begins_session = True
        # Notes that no packing makes smaller: the ring turns several times.
        batch.notes = b"%d " % (i + 1) + NOISE.randbytes(40_000)
        batch.accounts = [Account("desk", received=i + 1)]
        batch.events = [Event("a", EventKind.MISSING, "desk", T0_NS, None, i + 1)]
        writer.commit(batch)
        count = i + 1
        while does_upkeep and writer.maintain(now_ns):
            pass
    writer.close()

for line in sys.stdin:
    arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
        finally:
            os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def run_killed() -> Iterator[Callable[..., int]]:
    """Return a function that works on a store until the n-th statement, and gives back the signal that ended it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(path: Path, at: int, does_upkeep: bool) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([str(path), at, does_upkeep]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    with process:
        yield run


def recalled(writer: SqliteWriter) -> int:
    """Return how many commits tracking knows of."""
    state, notes = writer.recall()
    count = int(state or b"0")
    for note in notes:
        count += 1
        assert int(note.split(b" ")[0]) == count
    return count


def check(path: Path) -> int:
    """Check what a kill has left, and return how many readings are stored."""
    writer = SqliteWriter(StoreSettings(path=path, keep_raw_days=0))
    reader = SqliteReader(path)
    stored = len(list(reader.export(Series("desk", "t"), 0, 2**62)))
    assert recalled(writer) == stored
    assert [account.received for account in writer.accounts()] == [stored][: bool(stored)]
    assert [event.count for event in reader.events(0, 2**62)] == [stored][: bool(stored)]
    writer.close()
    reader.close()
    assert list(Check(path).findings()) == []
    return stored


@pytest.mark.parametrize(
    ("does_upkeep", "statements"),
    [
        # Each statement of some commits around the end of a window, where a snapshot is taken, and some later ones.
        (True, [*range(1, 60), *range(60, 360, 5)]),
        (False, range(3, 180, 6)),
    ],
    ids=["upkeep", "commits-only"],
)
def test_what_tracking_recalls_is_what_is_stored(
    tmp_path: Path, run_killed: Callable[..., int], does_upkeep: bool, statements: Sequence[int]
) -> None:
    kept = []
    for at in statements:
        path = tmp_path / f"{at}.db"
        if run_killed(path, at, does_upkeep) == signal.SIGKILL:
            kept.append(check(path))
            path.unlink()
    assert len(kept) > len(statements) * 0.8
    assert kept == sorted(kept)
    # So many that the ring has turned.
    assert kept[-1] > 20
