"""A real InfluxDB 2 for tests: the one that is given, a container, or a program on this machine; and new buckets on it.

Looked for in this order: INFLUXDB_V2_URL with _ORG and _TOKEN (a token that may make buckets); Docker, with a pinned image;
`influxd`, from INFLUXD or PATH. One server serves all tests of a run that do not name another; each test has buckets of its own.
"""

import atexit
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.containers import docker_answers, start_influxdb
from tests.support.environment import is_ci
from tests.support.ports import free_port, unique
from tests.support.processes import Process
from tests.support.waiting import wait_until

from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

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
        """Return settings for a store of its own: empty buckets that keep everything."""
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


def has_influxd() -> bool:
    """Tell whether there is an influxd program, which tests may kill."""
    return bool(_INFLUXD)


def ways() -> list[str]:
    """Return how this run can have a server, the first choice first: `given` and no other, or `container`, `binary`.

    On CI both are named, also when one is missing: its tests then fail instead of not being there.
    """
    if _GIVEN["URL"]:
        return ["given"]
    found = {"container": docker_answers(), "binary": has_influxd()}
    return [way for way, is_there in found.items() if is_there or is_ci()]


def is_there() -> bool:
    """Tell whether any server can be had."""
    return bool(_GIVEN["URL"]) or docker_answers() or has_influxd()


@cache
def server(way: str = "") -> Server:
    """Return the server of this run of the tests, by the first of `ways()` if none is named; its end is the run's."""
    way = way or ways()[0]
    if way == "given":
        return Server(_GIVEN["URL"].rstrip("/"), _GIVEN["ORG"], _GIVEN["TOKEN"])
    return _container() if way == "container" else _binary()


def _container() -> Server:
    url = start_influxdb(ORG, TOKEN, PASSWORD).address.url
    wait_until(lambda: is_healthy(url), 60, f"InfluxDB in a container at {url}")
    return Server(url, ORG, TOKEN)


def _binary() -> Server:
    folder = tempfile.TemporaryDirectory(prefix="sensorline-influxd-")
    influxd = Influxd(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(influxd.kill)
    influxd.end_with_us()
    influxd.start()
    return influxd.server
