"""Groups of tests that need a program which not every machine has, and the one command that brings it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support import brokers, influx, stack
from tests.support.brokers import mosquitto_binary
from tests.support.containers import docker_answers


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
        is_required_in_ci=True,
    ),
    "influxd": Group(
        "the influxd program, which the tests kill",
        influx.has_influxd,
        "INFLUXD=/path/to/influxd",
        is_required_in_ci=True,
    ),
    "broker": Group(
        "a Mosquitto (MQTT_URL, Docker, or mosquitto)",
        lambda: bool(brokers.shared_ways()),
        "apt-get install mosquitto mosquitto-clients",
        is_required_in_ci=True,
    ),
    "node": Group("Node.js", lambda: shutil.which("node") is not None, "apt-get install nodejs"),
    "compose": Group(
        "Docker with Compose, and the official images",
        stack.is_there,
        "apt-get install docker.io docker-compose-v2 docker-buildx",
        is_required_in_ci=True,
    ),
    "docker": Group(
        "a Docker daemon that answers", docker_answers, "apt-get install docker.io", is_required_in_ci=True
    ),
}

LEFT_OUT_ON_PURPOSE = frozenset(os.environ.get("TESTS_WITHOUT", "").replace(",", " ").split())
"""The groups that a CI job does without, by name: `TESTS_WITHOUT=docker,influxd`."""
