"""Sealing in steps: whatever a step has room for, each reading goes into a block once."""

from contextlib import closing
from pathlib import Path

import pytest
from tests.support import stored

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline.stores.sqlite.check import Check

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
T0_NS = 1_790_000_000 * SECOND_NS // DAY_NS * DAY_NS
DESK = Series("desk", "temperature")


@pytest.mark.parametrize("step_s", [20, 200, 800, 3_600])
def test_a_backlog_that_begins_in_a_joined_day_is_stored_once(tmp_path: Path, step_s: int) -> None:
    """A device was away from a morning on, comes back days later, and goes on where it had been."""
    path = tmp_path / "sensorline.db"
    now_ns = T0_NS + 4 * DAY_NS

    def readings(first_s: int, behind_s: int) -> list[Reading]:
        times = range(first_s, behind_s, step_s)
        return [Reading(DESK, T0_NS + time_s * SECOND_NS, float(time_s)) for time_s in times]

    early, late = readings(0, 36_000), readings(36_000, 200_000)
    with closing(SqliteWriter(StoreSettings(path=path, keep_raw_days=0, keep_minutes_days=0))) as writer:
        writer.commit(Batch.of(early))
        while writer.maintain(now_ns):
            pass
        writer.commit(Batch.of(late))
        while writer.maintain(now_ns + 120 * SECOND_NS):
            pass
        assert writer.waiting_windows == 0
    expected = sorted((*DESK, reading.time_ns, reading.value) for reading in [*early, *late])
    assert sorted(stored.points(path)) == expected
    assert list(Check(path).findings()) == []
    stored.assert_rollups_equal_raw(path)
