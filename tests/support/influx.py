"""A real InfluxDB 2 for tests: the one that is given, a container, or a program on this machine; and new buckets on it.

Looked for in this order: INFLUXDB_V2_URL with _ORG and _TOKEN (a token that may make buckets); Docker, with a pinned image;
`influxd`, from INFLUXD or PATH. One server serves all tests of a run; each test has buckets of its own.
"""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.ports import free_port, unique
from tests.support.processes import Process
from tests.support.waiting import wait_until

from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

IMAGE = "influxdb:2.7.12"
ORG, TOKEN, PASSWORD = "sensorline-tests", "operator-token-of-the-tests", "password-of-the-tests"

# Read at import: tests run without any setting in their environment.
_GIVEN = {name: os.environ.get(f"INFLUXDB_V2_{name}", "") for name in ("URL", "ORG", "TOKEN")}
_INFLUXD = os.environ.get("INFLUXD") or shutil.which("influxd") or ""

SHARD_S = 10 * 365 * 86_400
"""Tests spread few readings over many years: few shards make that quick."""


class Server(NamedTuple):
    """Where a server is, and a token that may do everything there."""

    url: str
    org: str
    token: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer of the management API, as JSON; None for an empty one."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def make_buckets(self) -> InfluxSettings:
        """Return settings for a store of its own: four empty buckets that keep everything."""
        name = unique("test")
        (org,) = self.call("GET", f"/api/v2/orgs?org={self.org}")["orgs"]
        for bucket in Buckets(name).all():
            rules = [{"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": SHARD_S}]
            self.call(
                "POST", "/api/v2/buckets", {"orgID": org["id"], "name": bucket, "retentionRules": rules}
            )
        return self.settings(name)

    def settings(self, bucket: str) -> InfluxSettings:
        """Return settings for a bucket."""
        return InfluxSettings(url=self.url, org=self.org, token=self.token, bucket=bucket)  # type: ignore[arg-type]

    def drop_buckets(self, bucket: str) -> None:
        """Delete a store's buckets."""
        for name in Buckets(bucket).all():
            for found in self.call("GET", f"/api/v2/buckets?name={name}")["buckets"]:
                self.call("DELETE", f"/api/v2/buckets/{found['id']}")


class Influxd(Process):
    """A private influxd; `start()` returns when it is healthy and set up. Restarts keep the port and the data."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.server = Server(f"http://127.0.0.1:{self.port}", ORG, TOKEN)
        arguments = [_INFLUXD, "--reporting-disabled", "--http-bind-address", f"127.0.0.1:{self.port}"]
        arguments += ["--bolt-path", str(folder / "i.bolt"), "--sqlite-path", str(folder / "i.sqlite")]
        super().__init__("influxd", [*arguments, "--engine-path", str(folder / "engine")], folder)

    def start(self) -> None:
        super().start()

        def healthy() -> bool:
            assert self.is_running, f"influxd ended with {self.exit_code}\n{self.output()}"
            return is_healthy(self.server.url)

        wait_until(healthy, 30, lambda: f"influxd to be healthy\n{self.output()}")
        set_up(self.server)


def is_healthy(url: str) -> bool:
    """Tell whether an InfluxDB answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def set_up(server: Server) -> None:
    """Make the first user, organization and token, if that was not done before."""
    if server.call("GET", "/api/v2/setup")["allowed"]:
        first = {"username": "tests", "password": PASSWORD, "org": ORG, "bucket": "first", "token": TOKEN}
        server.call("POST", "/api/v2/setup", first)


@cache
def docker_answers() -> bool:
    """Tell whether there is a Docker daemon that answers."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def has_influxd() -> bool:
    """Tell whether there is an influxd program, which tests may kill."""
    return bool(_INFLUXD)


def is_there() -> bool:
    """Tell whether any server can be had."""
    return bool(_GIVEN["URL"]) or has_influxd() or docker_answers()


@cache
def server() -> Server:
    """Return the server of this run of the tests; one that was started for it is stopped at the end."""
    if _GIVEN["URL"]:
        return Server(_GIVEN["URL"].rstrip("/"), _GIVEN["ORG"], _GIVEN["TOKEN"])
    if docker_answers():
        return container()
    folder = tempfile.TemporaryDirectory(prefix="sensorline-influxd-")
    influxd = Influxd(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(influxd.kill)
    influxd.start()
    return influxd.server


def container() -> Server:
    """Start the official image in a container, which the run's end stops."""
    from testcontainers.community.influxdb import InfluxDb2Container

    started = InfluxDb2Container(
        IMAGE,
        init_mode="setup",
        username="tests",
        password=PASSWORD,
        org_name=ORG,
        bucket="first",
        admin_token=TOKEN,
    )
    started.start()
    atexit.register(started.stop)
    url = f"http://{started.get_container_host_ip()}:{started.get_exposed_port(8086)}"
    wait_until(lambda: is_healthy(url), 60, f"InfluxDB in a container at {url}")
    return Server(url, ORG, TOKEN)
