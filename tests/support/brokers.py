"""Real brokers, each in a process of its own: Mosquitto where it is installed, amqtt everywhere.

Tests that neither stop a broker nor need it empty share one Mosquitto, looked for in this order: MQTT_URL, a broker for tests that
anybody may use; Docker, with a pinned image and its own defaults; `mosquitto`.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.containers import docker_answers, start_mosquitto
from tests.support.ports import accepts_connections, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

from sensorline.settings import MqttSettings

# Read at import: tests run without any setting in their environment.
_GIVEN_URL = os.environ.get("MQTT_URL", "")

IN_FLIGHT = 10_000
"""How many unacknowledged messages a broker sends to one client: above the largest batch of ingest."""


def mosquitto_binary() -> str | None:
    """Return Mosquitto's program; Debian puts it where ordinary users have no PATH to."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker(Process):
    """A broker on a port of its own. `start()` returns when it listens; restarts keep the port and the folder."""

    def __init__(self, name: str, arguments: list[str], folder: Path, port: int) -> None:
        super().__init__(name, arguments, folder)
        self.port = port
        self.folder = folder
        """Where it keeps its configuration and its database."""

    @property
    def environment(self) -> dict[str, object]:
        """The settings that lead Sensorline's services here."""
        return {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": self.port}

    def start(self) -> None:
        super().start()

        def listens() -> bool:
            assert self.is_running, f"{self.name} ended with {self.exit_code}\n{self.output()}"
            return accepts_connections(self.port)

        wait_until(listens, 15, lambda: f"{self.name} to listen on {self.port}\n{self.output()}")

    def restart(self) -> None:
        """Stop in order and start again on the same port, with what it kept."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open and nothing answers."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)


class Mosquitto(Broker):
    """A private Mosquitto. `extra` lines are added to its configuration."""

    def __init__(self, folder: Path, *, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\n"
            "allow_anonymous true\n"
            "persistence true\n"
            f"persistence_location {folder}/\n"
            "autosave_interval 1\n"
            "autosave_on_changes false\n"
            f"max_inflight_messages {IN_FLIGHT}\n"
            "max_queued_messages 1000000\n"
            "set_tcp_nodelay true\n"
            # As root it would become the user mosquitto, who may not write in this folder.
            f"user root\n{extra}\n"
        )
        binary = mosquitto_binary()
        assert binary is not None, "mosquitto is not installed: apt-get install mosquitto mosquitto-clients"
        super().__init__("mosquitto", [binary, "-c", str(config)], folder, port)


class Amqtt(Broker):
    """The broker of `sensorline up` where Mosquitto is missing: amqtt, pure Python, everything in memory."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        arguments = [sys.executable, "-m", "sensorline.up.amqtt_broker", "--port", str(port)]
        super().__init__("amqtt", arguments, folder, port)


def make_broker(kind: str, folder: Path) -> Broker:
    """Return a broker that is not yet started; `kind` is `mosquitto` or `amqtt`."""
    return Mosquitto(folder) if kind == "mosquitto" else Amqtt(folder)


class SharedBroker(NamedTuple):
    """A running broker that other tests use, too: names of devices and client ids must be unique()."""

    settings: MqttSettings
    """Where it is, for the tests' own clients."""

    environment: dict[str, object]
    """The settings that lead Sensorline's services there."""


def shared_ways() -> list[str]:
    """Return how this run can have a shared Mosquitto, the first choice first: `given`, `container`, `binary`."""
    found = {
        "given": bool(_GIVEN_URL),
        "container": docker_answers(),
        "binary": mosquitto_binary() is not None,
    }
    return [way for way, is_there in found.items() if is_there]


@cache
def shared_broker(way: str) -> SharedBroker:
    """Return the broker of this run of the tests; one that was started for it ends with it."""
    environment: dict[str, object] = {"MQTT_URL": _GIVEN_URL}
    if way == "container":
        address = start_mosquitto().address
        environment = {"MQTT_URL": f"mqtt://{address.host}:{address.port}"}
    elif way == "binary":
        folder = tempfile.TemporaryDirectory(prefix="sensorline-mosquitto-")
        broker = Mosquitto(Path(folder.name))
        atexit.register(folder.cleanup)
        atexit.register(broker.kill)
        broker.end_with_us()
        broker.start()
        environment = broker.environment
    named = {name.removeprefix("MQTT_").lower(): value for name, value in environment.items()}
    return SharedBroker(MqttSettings(**named), environment)
