"""Containers that tests start: gone with the run, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
RUN = """
import os, signal
from tests.support.containers import start_mosquitto
started = start_mosquitto()
print(started.container.get_container_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_leaves_no_container(tmp_path: Path) -> None:
    # Ten seconds is the reaper's default.
    environment = os.environ | {"RYUK_RECONNECTION_TIMEOUT": "1s", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    container = run.stdout.strip()

    def is_gone() -> bool:
        return subprocess.run(["docker", "inspect", container], capture_output=True).returncode != 0

    wait_until(is_gone, 30, f"container {container} to be taken away")
