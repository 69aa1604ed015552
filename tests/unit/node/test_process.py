"""The node as a process, without a broker: it measures, it stops when told, it survives being killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sensorline_node.sensors.base import KNOWN_SENSORS
from sensorline_node.sensors.registry import build
from sensorline_node.settings import NodeSettings


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., "subprocess.Popen[bytes]"]:
    def run(**settings: str) -> "subprocess.Popen[bytes]":
        env = {k: v for k, v in os.environ.items() if not k.startswith(("NODE_", "MQTT_", "LOG_"))}
        env |= {
            "NODE_NAME": "desk",
            "NODE_SENSORS": "simulated,bme280",
            "NODE_INTERVAL_S": "0.1",
            "NODE_OUTBOX_PATH": str(tmp_path / "box.db"),
            # Port 9 (discard, RFC 863) has no broker.
            "MQTT_PORT": "9",
            "SENSORLINE_ENV_FILE": str(tmp_path / "none"),
        }
        command = [sys.executable, "-m", "sensorline_node"]
        return subprocess.Popen(command, env=env | settings, cwd=tmp_path, stderr=subprocess.PIPE)

    return run


def wait_for_growth(path: Path) -> None:
    """Wait until the write-ahead log holds some readings; the file itself is locked by the node."""
    wal = path.with_name(path.name + "-wal")
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if wal.exists() and wal.stat().st_size > 60_000:
            return
        time.sleep(0.02)
    pytest.fail("the node wrote nothing into its outbox within 20 s")


def rows(path: Path) -> list[tuple[int, int, int]]:
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT seq, series, time_ms FROM reading ORDER BY seq").fetchall()
    db.close()
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_without_a_broker_fills_its_outbox_and_stops_within_two_seconds(
    start: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path, number: int
) -> None:
    process = start()
    wait_for_growth(tmp_path / "box.db")
    told_s = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - told_s < 2
    assert process.returncode == 0, errors.decode()
    assert errors.count(b"sensor_failed") == 1
    assert len(rows(tmp_path / "box.db")) > 4


def test_a_node_that_is_killed_keeps_every_number_unique_and_every_time_increasing(
    start: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    path = tmp_path / "box.db"
    found: list[tuple[int, int, int]] = []
    for _ in range(3):
        process = start()
        wait_for_growth(path)
        process.kill()
        process.communicate(timeout=20)
        now = rows(path)
        assert now[: len(found)] == found
        assert len(now) > len(found)
        found = now
        path.with_name("box.db-wal").unlink(missing_ok=True)
    for series in {row[1] for row in found}:
        times = [row[2] for row in found if row[1] == series]
        assert times == sorted(set(times))


def test_bad_settings_end_with_code_2_and_one_explanation(
    start: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    process = start(NODE_SENSORS="thermometer", NODE_INTERVAL_S="fast")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    text = errors.decode()
    assert "NODE_SENSORS=thermometer: expected a comma separated list" in text
    assert "NODE_INTERVAL_S=fast" in text
    assert "Traceback" not in text


def test_every_known_sensor_can_be_built_and_has_its_name(tmp_path: Path) -> None:
    settings = NodeSettings(replay_file=tmp_path / "r.csv")
    assert [build(name, settings).name for name in KNOWN_SENSORS] == list(KNOWN_SENSORS)


def test_starting_needs_no_library_of_any_sensor() -> None:
    code = "import sensorline_node.app, sys; print(*sorted({'psutil', 'smbus2', 'tqdm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "")
