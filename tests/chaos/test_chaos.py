"""Twenty cycles of `make chaos`: the whole stack under kills, stops, cuts and damage, and sets compared at the end (F40)."""

from pathlib import Path

import pytest
from tests.chaos import schedule
from tests.chaos.run import run

SEED = 129
"""One whose first cycles have many kinds of faults, and only one half-open link: that takes as long as a keepalive to be noticed."""


@pytest.mark.mosquitto
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("store", "cycles"),
    [(schedule.SQLITE, 12), pytest.param(schedule.INFLUXDB, 8, marks=pytest.mark.influxd)],
)
def test_nothing_is_lost_or_doubled_whatever_dies(tmp_path: Path, store: str, cycles: int) -> None:
    outcome = run(store, schedule.draw(SEED, cycles, store), tmp_path, print)
    assert outcome.faults == ()
    assert len(outcome.recoveries) == cycles
    # An empty run would show nothing.
    assert all(account.stored > 100 for account in outcome.accounts)
