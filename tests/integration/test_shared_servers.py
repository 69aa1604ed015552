"""Servers that tests start for a whole run: gone with it, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.influx import is_healthy
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


def killed_run(source: str, folder: Path) -> str:
    """Run Python source that ends itself with SIGKILL, and return the one line that it printed before."""
    source = f"import os, signal\n{source}\nos.kill(os.getpid(), signal.SIGKILL)\n"
    # The reaper waits ten seconds by default.
    environment = os.environ | {"RYUK_RECONNECTION_TIMEOUT": "1s", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", source],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    return run.stdout.strip()


def wait_for_end(is_there: Callable[[], bool], what: str) -> None:
    wait_until(lambda: not is_there(), 30, f"{what} to end")


@pytest.mark.docker
def test_a_run_that_is_killed_leaves_no_container(tmp_path: Path) -> None:
    container = killed_run(
        "from tests.support.containers import start_mosquitto\n"
        "print(start_mosquitto().container.get_container_id(), flush=True)",
        tmp_path,
    )
    inspect = ["docker", "inspect", container]
    wait_for_end(
        lambda: subprocess.run(inspect, capture_output=True).returncode == 0, f"container {container}"
    )


@pytest.mark.influxd
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv here: apt-get install util-linux")
def test_a_run_that_is_killed_leaves_no_influxd(tmp_path: Path) -> None:
    url = killed_run(
        "from tests.support import influx\nprint(influx.server('binary').url, flush=True)", tmp_path
    )
    wait_for_end(lambda: is_healthy(url), f"influxd at {url}")
