"""Servers in containers, by testcontainers. They end with the run; after a kill its reaper (ryuk) takes them away.

Ports are published on all interfaces, and the address is the one that testcontainers gives: where the tests themselves run in a
container it is the bridge's (172.17.0.1), not 127.0.0.1.
"""

import atexit
import shutil
import subprocess
import warnings
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

INFLUXDB_IMAGE = "influxdb:2.7.12"
MOSQUITTO_IMAGE = "eclipse-mosquitto:2.0.22"

POLL_S = 0.1
"""testcontainers looks once a second whether a server is up; both are up sooner."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where it is, for HTTP."""
        return f"http://{self.host}:{self.port}"


@cache
def docker_answers() -> bool:
    """Tell whether there is a Docker daemon that answers, and its command."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Started(NamedTuple):
    """A container that runs: where its server listens, and testcontainers' object."""

    address: Address
    container: Any

    def stop(self) -> None:
        """Take it away before the run's end."""
        atexit.unregister(self.container.stop)
        self.container.stop()


def start_influxdb(org: str, token: str, password: str) -> Started:
    """Start InfluxDB, set up, with `token` as the operator's."""
    return _start(
        "influxdb.InfluxDb2Container",
        8086,
        INFLUXDB_IMAGE,
        init_mode="setup",
        username="tests",
        password=password,
        org_name=org,
        bucket="first",
        admin_token=token,
    )


def start_mosquitto() -> Started:
    """Start Mosquitto, open to everybody."""
    return _start("mqtt.MosquittoContainer", 1883, MOSQUITTO_IMAGE)


def _start(name: str, port: int, image: str, **settings: str) -> Started:
    module, kind = name.split(".")
    with warnings.catch_warnings():
        # These modules of testcontainers use what testcontainers has deprecated, at import and at start.
        warnings.simplefilter("ignore", DeprecationWarning)
        container = getattr(import_module(f"testcontainers.community.{module}"), kind)(image, **settings)
        import_module("testcontainers.core.config").testcontainers_config.sleep_time = POLL_S
        # Also when it does not come up: the reaper ends with this process, and would leave it.
        atexit.register(container.stop)
        container.start()
    return Started(
        Address(container.get_container_host_ip(), int(container.get_exposed_port(port))), container
    )
