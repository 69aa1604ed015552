"""kill -9 of the embedded store's writer at any instant of committing, sealing and joining: nothing lost, nothing doubled.

A process commits numbered batches and does upkeep by a clock of its own, in which a day takes about a second. What a batch holds is a
function of its number: so what has to be stored is known from the last number that was said to be durable.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.support import stored

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.journal import table
from sensorline.stores.sqlite import SqliteWriter

SEED = 20261121
T0_NS = 1_790_000_000 * 10**9
SECOND_NS = 10**9
SERIES = [Series(f"device{i // 4}", f"m{i % 4}") for i in range(12)]
BATCH_S = 900
KILLS = 12
ENOUGH = 250
"""So many batches are more than two days: some were joined."""
REPLAYED_MAX = 2


def batch_of(number: int) -> Batch:
    """Return batch number n: a quarter of an hour of all series, some of it late by an hour or by days, or early."""
    readings = []
    begin_ns = T0_NS + number * BATCH_S * SECOND_NS
    for k, series in enumerate(SERIES):
        step_s = (15, 30, 60)[k % 3]
        for i in range(BATCH_S // step_s):
            time_ns = begin_ns + i * step_s * SECOND_NS
            readings.append(Reading(series, time_ns, round((number * 7 + i * 3 + k) % 1000 / 10, 1)))
        if (number + k) % 9 == 0:
            late_s = 3_600 if number % 2 else 2 * 86_400
            for i in range(5):
                time_ns = begin_ns - late_s * SECOND_NS + i * 7 * SECOND_NS + 1
                readings.append(Reading(series, time_ns, float(number)))
    if number % 7 == 0:
        # A clock that is ahead: it waits in the journal while others are sealed.
        readings.append(Reading(SERIES[-1], begin_ns + 3 * 3_600 * SECOND_NS + 2, float(number)))
    return Batch.of(readings)


def work(path: Path, first: int) -> None:
    """Commit batches from number `first` on, for ever, and say which one is durable."""
    # So small that the journal's ring is turned all the time.
    table.SEGMENT_BYTES = 3_000
    writer = SqliteWriter(StoreSettings(path=path, keep_raw_days=0, keep_minutes_days=0))
    number = first
    while True:
        writer.commit(batch_of(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1
        # Upkeep rests now and then, so that much is unsealed, and catches up.
        for _ in range(12 if number % 16 < 6 else 0):
            if not writer.maintain(T0_NS + number * BATCH_S * SECOND_NS):
                break


def test_kills_of_the_writer_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sensorline.db"
    rng = random.Random(SEED)
    durable, kills, deadline_s = -1, 0, time.monotonic() + 60
    while kills < KILLS or durable < ENOUGH:
        assert time.monotonic() < deadline_s, f"{kills} kills and {durable} batches in a minute"
        kills += 1
        # Some batches are given again, as a broker does; where none is, nothing is mended by that.
        first = max(durable + 1 - rng.randrange(REPLAYED_MAX + 1), 0)
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import {__name__} as t, pathlib; t.work(pathlib.Path({str(path)!r}), {first})",
            ],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == f"{first}\n"
        time.sleep(rng.uniform(0.05, 0.6))  # The instant is what is tested: there is nothing to wait for.
        child.kill()
        said = child.stdout.read().split("\n")[:-1]
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
        durable = max([durable, first, *map(int, said)])
    writer = SqliteWriter(StoreSettings(path=path, keep_raw_days=0, keep_minutes_days=0))
    # One batch more than was said may be durable: it is given again, as the broker does.
    for number in (durable, durable + 1):
        writer.commit(batch_of(number))
    expected: Counter[object] = Counter(
        (*series, time_ns, value)
        for number in range(durable + 2)
        for series, time_ns, value in batch_of(number).readings
    )
    assert max(expected.values()) == 1, "no two readings are alike"
    for more_upkeep in (False, True):
        while more_upkeep and writer.maintain(T0_NS + (durable + 1_000) * BATCH_S * SECOND_NS):
            pass
        assert stored.differences(expected, Counter[object](stored.points(path))) == "", f"seed {SEED}"
        assert writer.state().readings == expected.total()
        stored.assert_rollups_equal_raw(path)
    writer.close()
