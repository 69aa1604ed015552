"""A stack of docker-compose.yml with a name, ports and images of its own, which leaves nothing behind."""

import json
import os
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.environment import is_setting
from tests.support.ports import free_port, unique
from tests.support.services import http_get
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVICES = ("mosquitto", "influxdb", "ingest", "web", "sensor-node")
OURS = ("ingest", "web", "sensor-node")
OFFICIAL = ("eclipse-mosquitto:2.0.22", "influxdb:2.7.12", "python:3.12-slim-bookworm")

COMPOSE_TIMEOUT_S = 400
PULL_TIMEOUT_S = 300


def _succeeds(*command: str, timeout_s: float = 20) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout_s).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@cache
def is_there() -> bool:
    """Tell whether Docker answers, has Compose, and has or gets the images that the stack is made of."""
    if not (_succeeds("docker", "compose", "version") and _succeeds("docker", "info")):
        return False
    return all(
        _succeeds("docker", "image", "inspect", image)
        or _succeeds("docker", "pull", "--quiet", image, timeout_s=PULL_TIMEOUT_S)
        for image in OFFICIAL
    )


class Stack:
    """The services of docker-compose.yml and docker-compose.tls.yml. `settings` are its variables."""

    def __init__(self, folder: Path) -> None:
        self.name = unique("sensorline-test")
        self.folder = folder
        self.web_port, self.broker_port = free_port(), free_port()
        self.settings = {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_FILE": "docker-compose.yml:docker-compose.tls.yml",
            # What the developer has in .env is none of this stack's.
            "COMPOSE_DISABLE_ENV_FILE": "1",
            "SENSORLINE_TAG": self.name,
            "WEB_PORT": str(self.web_port),
            "BROKER_ADDRESS": "127.0.0.1",
            "BROKER_PORT": str(self.broker_port),
            "BACKUPS": str(folder / "backups"),
        }

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.web_port}"

    def run(self, *command: str, checks: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the repository's folder with this stack's variables."""
        kept = {k: v for k, v in os.environ.items() if not is_setting(k) and not k.startswith("COMPOSE_")}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=kept | self.settings,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMPOSE_TIMEOUT_S,
        )
        assert not checks or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done

    def compose(self, *arguments: str, **options: Any) -> str:
        """Run `docker compose …` and return its standard output."""
        return self.run("docker", "compose", *arguments, **options).stdout

    def exec(self, service: str, *command: str, **options: Any) -> str:
        """Run a command in a service's container and return its standard output."""
        return self.compose("exec", "-T", service, *command, **options)

    def up(self) -> None:
        """What a user types, and the time until the dashboard has all that it needs."""
        self.compose("up", "--detach")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when the dashboard and ingest say that they are ready."""
        wait_until(lambda: http_get(f"{self.url}/readyz")[0] == 200, 60, self.logs, every_s=0.2)
        check = ("exec", "-T", "ingest", "python", "/opt/sensorline/healthcheck.py", "8001")

        def says_yes() -> bool:
            return self.run("docker", "compose", *check, checks=False).returncode == 0

        wait_until(says_yes, 60, self.logs, every_s=0.2)

    def health(self, service: str) -> str:
        """Return what Docker says of a service's health."""
        state: str = self.inspect(service)["State"].get("Health", {}).get("Status", "")
        return state

    def inspect(self, service: str) -> dict[str, Any]:
        """Return all that Docker knows of a service's container, also of one that has ended."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        assert len(ids) == 1, f"{service}: {ids}"
        found: dict[str, Any] = json.loads(self.run("docker", "inspect", *ids).stdout)[0]
        return found

    def logs(self, *services: str) -> str:
        """Return what services, or all, have logged."""
        return self.compose("logs", "--no-color", *services)

    def get(self, path: str) -> str:
        """Return an answer of the dashboard's API."""
        status, body = http_get(self.url + path, timeout_s=20)
        assert status == 200, body
        return body

    def values(self, device: str, metric: str) -> list[float]:
        """Return every stored reading of a series, oldest first, by the CSV export."""
        rows = self.get(f"/api/v1/export.csv?device={device}&metric={metric}&from=now-1d").splitlines()
        column = rows[0].split(",").index("value")
        return [float(row.split(",")[column]) for row in rows[1:]]

    def devices(self) -> list[str]:
        """Return the devices that the API knows."""
        return [device["name"] for device in json.loads(self.get("/api/v1/devices"))["devices"]]

    def add_device(self, name: str) -> dict[str, str]:
        """Make a device by the documented command; return its settings, and the command that publishes as `publish`."""
        out = self.compose("run", "--rm", "-T", "admin", "device", "add", name)
        lines = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and line[0].isupper())
        publish = next(line for line in out.splitlines() if line.startswith("mosquitto_pub"))
        return lines | {"publish": publish}

    def secrets(self) -> dict[str, str]:
        """Return every secret by its path in the volumes, from the only container that sees all of them."""
        find = "cd /volumes; for f in secrets-*/*; do case $f in */mosquitto_*) ;; *) echo $f $(cat $f);; esac; done"
        out = self.compose("run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "init", "-c", find)
        return dict(line.split(" ") for line in out.splitlines())

    def wait_for(self, condition: Callable[[], Any], deadline_s: float, reason: str) -> Any:
        """Wait, and show the logs if it was in vain."""
        return wait_until(condition, deadline_s, lambda: f"{reason}\n{self.logs()[-8000:]}", every_s=0.2)

    def close(self) -> None:
        """Take everything away: containers, volumes, networks, images."""
        self.compose(
            "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "2", checks=False
        )
        for image in OURS:
            self.run("docker", "image", "rm", "--force", f"sensorline-{image}:{self.name}", checks=False)
