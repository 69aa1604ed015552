"""What each service may keep: no library that it has no use for, and less memory than its budget."""

from pathlib import Path

import psutil
import pytest
from tests.support.brokers import Broker
from tests.support.ports import free_port
from tests.support.processes import SENSORLINE, Process, Processes
from tests.support.services import http_get
from tests.support.waiting import wait_until

# A module of each that its users do not name: the account has what was looked for and not found, too.
NOBODY = {
    "aiohttp.client",
    "dns.message",
    "influxdb_client.client",
    "pydantic.main",
    "requests.models",
    "rich.console",
    "tornado.util",
    "tqdm.std",
}
"""Installed here or not, no service loads these for its work with the embedded store."""

NEVER = {
    "node": NOBODY
    | {
        "asyncio",
        "click.core",
        "email",
        "flask.app",
        "hashlib",
        "prometheus_client",
        "ssl",
        "urllib.request",
    },
    "ingest": NOBODY
    | {"asyncio", "eventlet.hubs", "flask.app", "gevent.hub", "psutil", "redis.client", "socketio"},
    "web": NOBODY | {"gevent.hub", "psutil", "redis.client", "websocket._core"},
}

BUDGET_MB = {"node": 30, "ingest": 60, "web": 60}
"""Megabytes (10^6 bytes) that stay resident."""

MARGIN = 0.9
"""A service of 90 % of its budget is due for a look, before a small change takes it over."""


@pytest.fixture(params=["node", "ingest", "web"])
def service(
    request: pytest.FixtureRequest, any_broker: Broker, processes: Processes, tmp_path: Path
) -> Process:
    """A service as its command starts it, connected; what it imports is in its output."""
    port = free_port()
    settings: dict[str, object] = {
        **any_broker.environment,
        "STORE_PATH": tmp_path / "s.db",
        "NODE_OUTBOX_PATH": tmp_path / "n.db",
        "INGEST_HTTP_PORT": port,
        "WEB_PORT": port,
        "LOG_FORMAT": "json",
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    process = Process(request.param, [*SENSORLINE, request.param], tmp_path, settings)
    processes.add(process)
    process.start()
    process.wait_for_output("mqtt_connected", 30)
    if request.param != "node":
        wait_until(lambda: http_get(f"http://127.0.0.1:{port}/healthz")[0] == 200, 20, "it to answer")
    if request.param == "web":
        for path in ("/", "/metrics"):
            assert http_get(f"http://127.0.0.1:{port}{path}")[0] == 200
    return process


def modules_of(process: Process) -> set[str]:
    """Return what a process has imported, by the interpreter's own account."""
    # A command that goes on as another program begins a new account.
    account = process.output().rpartition("| imported package")[2]
    return {line.split("|")[2].strip() for line in account.splitlines() if line.startswith("import time:")}


def test_a_service_keeps_to_its_budget_and_loads_nothing_that_it_has_no_use_for(service: Process) -> None:
    loaded = modules_of(service)
    assert {"structlog", "paho.mqtt.client", "sensorline.settings"} <= loaded
    assert loaded & NEVER[service.name] == set()
    resident_mb = psutil.Process(service.pid).memory_info().rss / 1e6
    assert resident_mb < MARGIN * BUDGET_MB[service.name]
