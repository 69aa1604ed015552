"""`sensorline up`, as `make run` starts it: the whole pipeline of real services under the supervisor."""

import json
import re
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.support.processes import SENSORLINE, Process, Processes
from tests.support.publishers import Client
from tests.support.services import http_get
from tests.support.waiting import wait_until

BROKERS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "amqtt"]


class Up(Process):
    """One `sensorline up` on a folder of its own."""

    def __init__(self, folder: Path, broker: str, **settings: object) -> None:
        base: dict[str, object] = {
            "UP_BROKER": broker,
            "UP_FOLDER": folder / "var",
            "NODE_NAME": "this-machine",
        }
        super().__init__("up", [*SENSORLINE, "up"], folder, base | settings)

    def start_ready(self) -> "Up":
        """Start, and return when it has printed where everything is."""
        self.start()
        self.wait_for_output(r"(?m)^dashboard +http://.*\n^broker +mqtt://.*", 40)
        return self

    @property
    def dashboard(self) -> str:
        """The dashboard's address as printed."""
        return self.wait_for_output(r"(?m)^dashboard +(http://\S+)")[1]

    @property
    def broker_port(self) -> int:
        """The broker's port as printed."""
        return int(self.wait_for_output(r"(?m)^broker +mqtt://127\.0\.0\.1:(\d+)")[1])

    def values(self, device: str, metric: str) -> list[float]:
        """Return what the API has of a series."""
        query = f"device={device}&metric={metric}&from=now-1h"
        status, body = http_get(f"{self.dashboard}/api/v1/series?{query}")
        assert status == 200, body
        found: list[float] = json.loads(body)["series"][0]["mean"]
        return found

    def interrupt(self) -> float:
        """Send what Ctrl-C sends, check that it ends well, and return the seconds that it took."""
        begun_s = time.monotonic()
        self.send(signal.SIGINT)
        assert self.wait(10) == 0, self.output()
        return time.monotonic() - begun_s


@pytest.mark.parametrize("broker", BROKERS)
def test_the_line_goes_on_after_a_restart(processes: Processes, tmp_path: Path, broker: str) -> None:
    up = Up(tmp_path, broker)
    processes.add(up)
    up.start_ready()
    lines = up.output().splitlines()
    assert re.fullmatch(r"try +mosquitto_pub (-p \d+ )?-t sensors/desk/temperature -m 21\.5", lines[-3]), (
        lines
    )
    assert lines[-2].startswith("dashboard "), lines
    assert lines[-1].startswith("broker "), lines
    with Client(up.broker_port) as client:
        client.publish("sensors/desk/temperature", "21.5")
    wait_until(lambda: up.values("desk", "temperature") == [21.5], 10, "the reading to be in the API")
    wait_until(lambda: up.values("this-machine", "memory"), 15, "a reading of this very machine")
    up.interrupt()
    up.start_ready()
    assert up.values("desk", "temperature") == [21.5]
    with Client(up.broker_port) as client:
        client.publish("sensors/desk/temperature", "22")
    wait_until(lambda: up.values("desk", "temperature") == [21.5, 22], 10, "the line to go on")
    up.interrupt()


@pytest.mark.mosquitto
def test_a_killed_ingest_comes_back_and_has_everything(processes: Processes, tmp_path: Path) -> None:
    import psutil

    up = Up(tmp_path, "mosquitto")
    processes.add(up)
    up.start_ready()

    def ingest() -> psutil.Process | None:
        for child in psutil.Process(up.pid).children(recursive=True):
            if "ingest" in child.cmdline():
                return child
        return None

    first = wait_until(ingest, 10, "ingest to run")
    assert first is not None
    with Client(up.broker_port) as client:
        for n in range(100):
            client.publish("sensors/desk/n", str(n))
            if n == 50:
                first.kill()
    up.wait_for_output(r"ingest was killed by SIGKILL, restarting in .*")
    wait_until(
        lambda: len(up.values("desk", "n")) == 100,
        20,
        lambda: f"100 readings, not {len(up.values('desk', 'n'))}",
    )
    assert sorted(up.values("desk", "n")) == list(range(100))
    up.interrupt()


@pytest.mark.mosquitto
def test_a_busy_port_is_told_and_the_next_one_taken(processes: Processes, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up(tmp_path, "mosquitto", WEB_PORT=port)
        processes.add(up)
        up.start_ready()
        assert f"port {port} is in use" in up.output()
        assert up.dashboard != f"http://127.0.0.1:{port}"
        assert http_get(f"{up.dashboard}/healthz")[0] == 200
        up.interrupt()
