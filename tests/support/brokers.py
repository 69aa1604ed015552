"""Real brokers, each in a process of its own: Mosquitto where it is installed, amqtt everywhere."""

import shutil
import signal
import sys
from pathlib import Path

from tests.support.ports import accepts_connections, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

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
