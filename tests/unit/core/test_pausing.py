"""Pause points: nothing at all unless they are asked for, and then the process stops just there."""

import re
import signal
import sys
from pathlib import Path

import psutil
import pytest
from tests.chaos.pause_point import PausePoint
from tests.support.processes import Process, Processes
from tests.support.waiting import stays_true, wait_until

from sensorline import pausing

ROOT = Path(__file__).parents[3]
SOURCES = [*(ROOT / "packages").rglob("*.py"), *(ROOT / "services").rglob("*.py")]

# Another thread counts, so that it can be seen whether the whole process stands still.
PROGRAM = """
import threading, time
from sensorline.pausing import pause_at
def count():
    while True:
        print("beat", flush=True)
        time.sleep(0.01)
threading.Thread(target=count, daemon=True).start()
while True:
    pause_at("committed")
    print("passed", flush=True)
    time.sleep(0.01)
"""


def start(processes: Processes, folder: Path, **settings: object) -> Process:
    process = Process("paused", [sys.executable, "-c", PROGRAM], folder, settings)
    processes.add(process)
    process.start()
    process.wait_for_output("passed")
    return process


def state(process: Process) -> str:
    return psutil.Process(process.pid).status()


def passes(process: Process) -> int:
    return process.output().count("passed")


def test_a_process_stops_whole_at_an_armed_point_and_goes_on_when_told(
    processes: Processes, tmp_path: Path
) -> None:
    process = start(processes, tmp_path, SENSORLINE_PAUSE_AT=tmp_path)
    point = PausePoint(tmp_path, "committed")
    assert wait_until(point.arrived, 5, "the process to come to the point") == process.pid
    wait_until(lambda: state(process) == psutil.STATUS_STOPPED, 5, "the process to stand still")
    # What it wrote before still comes through a pipe and a thread.
    stays_true(lambda: state(process) == psutil.STATUS_STOPPED, 0.2, "it stands still")
    before = process.output()
    stays_true(lambda: process.output() == before, 0.3, "none of its threads does anything")
    point.close()
    process.send(signal.SIGCONT)
    wait_until(lambda: passes(process) > before.count("passed") + 3, 5, "it to go on, and not to stop again")


def test_a_point_that_nobody_waits_for_is_passed(processes: Processes, tmp_path: Path) -> None:
    point = PausePoint(tmp_path, "committed")
    point.close()
    PausePoint(tmp_path, "sealing")
    (tmp_path / "committed").write_text("no FIFO")
    process = start(processes, tmp_path, SENSORLINE_PAUSE_AT=tmp_path)
    wait_until(lambda: passes(process) > 5, 5, "the point to be passed")
    assert (tmp_path / "committed").read_text() == "no FIFO"


def test_without_the_variable_an_armed_point_is_passed(processes: Processes, tmp_path: Path) -> None:
    point = PausePoint(tmp_path, "committed")
    process = start(processes, tmp_path)
    wait_until(lambda: passes(process) > 5, 5, "the point to be passed")
    assert point.arrived() is None


def test_without_the_variable_a_point_is_an_empty_function() -> None:
    assert pausing.pause_at is pausing._go_on
    assert pausing._go_on.__code__.co_names == ()


@pytest.mark.parametrize("point", pausing.POINTS)
def test_every_point_is_in_the_code_once_or_once_for_each_store(point: str) -> None:
    places = [path for path in SOURCES for _ in re.findall(rf'pause_at\("{point}"\)', path.read_text())]
    assert 1 <= len(places) <= 2, places
    assert len(set(places)) == len(places)


def test_no_point_is_in_the_code_that_is_not_named() -> None:
    named = {name for path in SOURCES for name in re.findall(r'pause_at\("(\w+)"\)', path.read_text())}
    assert named == set(pausing.POINTS)
