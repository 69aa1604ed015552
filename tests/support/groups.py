"""Groups of tests that need a program which not every machine has, and the one command that brings it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support import influx
from tests.support.brokers import mosquitto_binary


class Group(NamedTuple):
    """`needs` names the program; `is_there` looks for it; `enable` is the command that installs it."""

    needs: str
    is_there: Callable[[], bool]
    enable: str
    is_required_in_ci: bool = False


def _has_chromium() -> bool:
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return True
    return any(Path.home().glob(".cache/ms-playwright/chromium*"))


def _has_docker() -> bool:
    return shutil.which("docker") is not None and Path("/var/run/docker.sock").exists()


GROUPS = {
    "mosquitto": Group(
        "Mosquitto (broker and clients)",
        lambda: mosquitto_binary() is not None and shutil.which("mosquitto_pub") is not None,
        "apt-get install mosquitto mosquitto-clients",
        is_required_in_ci=True,
    ),
    "chromium": Group(
        "the Chromium browser", _has_chromium, "apt-get install chromium", is_required_in_ci=True
    ),
    "influxdb": Group(
        "an InfluxDB 2 server (INFLUXDB_V2_URL, Docker, or influxd)",
        influx.is_there,
        "INFLUXD=/path/to/influxd",
    ),
    "influxd": Group(
        "the influxd program, which the tests kill", influx.has_influxd, "INFLUXD=/path/to/influxd"
    ),
    "node": Group("Node.js", lambda: shutil.which("node") is not None, "apt-get install nodejs"),
    "docker": Group("Docker", _has_docker, "apt-get install docker.io"),
}
