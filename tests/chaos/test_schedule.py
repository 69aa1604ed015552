"""The schedule is drawn from its seed alone, and has every kind of fault in it."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.chaos import schedule

from sensorline import pausing

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("store", schedule.STORES)
def test_the_same_seed_gives_the_same_schedule_in_every_process(store: str) -> None:
    program = f"from tests.chaos import schedule; print(*schedule.draw(7, 50, {store!r}), sep='\\n')"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == [str(cycle) for cycle in schedule.draw(7, 50, store)]


def test_another_seed_gives_another_schedule() -> None:
    assert schedule.draw(7, 20, schedule.SQLITE) != schedule.draw(8, 20, schedule.SQLITE)


def test_a_longer_schedule_begins_like_a_shorter_one() -> None:
    assert schedule.draw(7, 200, schedule.SQLITE)[:20] == schedule.draw(7, 20, schedule.SQLITE)


@pytest.mark.parametrize("store", schedule.STORES)
def test_two_hundred_cycles_have_every_kind_of_fault(store: str) -> None:
    faults = [fault for cycle in schedule.draw(7, 200, store) for fault in cycle.faults]
    details = {(fault.what, fault.detail) for fault in faults}
    points = {fault.detail for fault in faults if fault.what.startswith("pause")}
    assert points == {*schedule.POINTS[store], *schedule.NODE_POINTS}
    assert {detail for what, detail in details if what == "database"} == set(schedule.DAMAGES)
    assert {fault.of[0] for fault in faults if fault.what == "half-open"} == set(schedule.LINKS[store])
    kinds = {
        "kill",
        "stop",
        "reset",
        "half-open",
        "slow",
        "disk-full",
        "database",
        "pause-and-kill",
        "pause-and-go-on",
    }
    if store == schedule.INFLUXDB:
        kinds |= {"lost-replies", "answer"}
    assert {fault.what for fault in faults} == kinds
    assert any(len(fault.of) >= 3 for fault in faults if fault.what == "kill")


def test_every_pause_point_is_used() -> None:
    used = {*schedule.NODE_POINTS, *(point for points in schedule.POINTS.values() for point in points)}
    assert used == set(pausing.POINTS)
