"""The whole stack on 127.0.0.1: nodes, a plain publisher, Mosquitto, ingest, a store, and our links between them."""

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos import schedule
from tests.chaos.core_link import CoreLink
from tests.chaos.links import WELL, Link, Wires
from tests.chaos.node import Node
from tests.chaos.publisher import PlainPublisher
from tests.chaos.store_link import StoreLink
from tests.support.brokers import Mosquitto
from tests.support.influx import Influxd
from tests.support.influx_points import environment
from tests.support.processes import Process
from tests.support.services import Ingest, http_get
from tests.support.waiting import wait_until

from sensorline.settings import StoreSettings
from sensorline.stores import opening
from sensorline.stores.base import DeadLetters, StoreReader
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.up import broker as up_broker

RESTART_S = 0.3
"""A program that ended by itself starts again after this, as under a supervisor."""


class Stack:
    """Built and started; `tend()` is its supervisor. `say` gets a line for what is worth one."""

    def __init__(self, folder: Path, store: str, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.store = store
        self._say = say
        self.hold = folder / "hold"
        self.down: dict[str, float] = {}
        """Until when a program that was killed stays away (monotonic)."""
        self.broker_killed_s = 0.0
        """When the broker last ended (monotonic)."""
        self.set_aside = 0
        self.wires = Wires()
        self.broker = Mosquitto(folder / "broker")
        self.influxd = Influxd(folder / "influxd") if store == schedule.INFLUXDB else None
        self.field, self.core = Link(self.wires, self.broker.port), CoreLink(self.wires, self.broker.port)
        self.links: dict[str, Link] = {"field": self.field, "core": self.core}
        self._settings = StoreSettings(path=folder / "sensorline.db", keep_raw_days=0, keep_minutes_days=0)
        self._influx = InfluxSettings()
        for name in (*schedule.NODES, "ingest"):
            self.pauses(name).mkdir()
        self.hold.touch()
        self.nodes = [
            Node(name, folder, self.field.environment | {"MQTT_KEEPALIVE_S": 5}, self.pauses(name), self.hold)
            for name in schedule.NODES
        ]
        # A run that is killed, also by SIGKILL, leaves nothing behind.
        self.broker.end_with_us()
        self.broker.start()
        self.store_link = self._start_influxd()
        self.ingest = self._build_ingest()
        self.publisher = PlainPublisher(self.field.port)
        named: list[Process] = [
            self.broker,
            *([self.influxd] if self.influxd else []),
            self.ingest,
            *self.nodes,
        ]
        self.programs: dict[str, Process] = {
            process.name.replace("mosquitto", "broker"): process for process in named
        }
        self.ingest.end_with_us()
        self.ingest.start()
        for node in self.nodes:
            node.end_with_us()
            node.start()
        wait_until(self.is_ready, 30, lambda: f"ingest to be ready\n{self.ingest.output()}")

    def _start_influxd(self) -> StoreLink | None:
        if self.influxd is None:
            return None
        self.influxd.end_with_us()
        self.influxd.start()
        self._influx = self.influxd.server.make_buckets()
        link = StoreLink(self.wires, self.influxd.port)
        self.links["store"] = link
        return link

    def _build_ingest(self) -> Ingest:
        settings: dict[str, object] = {
            "STORE_PATH": self._settings.path,
            "STORE_KEEP_RAW_DAYS": 0,
            "STORE_KEEP_MINUTES_DAYS": 0,
            "MQTT_KEEPALIVE_S": 5,
            "SENSORLINE_PAUSE_AT": self.pauses("ingest"),
        }
        if self.store_link is not None:
            settings |= environment(self._influx)
            settings |= {
                "INFLUXDB_V2_URL": f"http://127.0.0.1:{self.store_link.port}",
                "INFLUXDB_V2_TIMEOUT": 3_000,
            }
        return Ingest(self.folder, self.core.environment, **settings)

    def pauses(self, name: str) -> Path:
        """Return the folder of a program's pause points."""
        return self.folder / f"pauses-{name}"

    def reader(self) -> StoreReader:
        """Return a reader of the store, past the links."""
        return opening.open_reader(self._settings, self._influx)

    def dead_letters(self) -> DeadLetters:
        """Return the rejected messages."""
        return opening.open_dead_letters(self._settings, self._influx)

    @property
    def store_path(self) -> Path:
        """The SQLite store's file."""
        return self._settings.path

    def is_ready(self) -> bool:
        """Tell whether ingest says that its broker and its store are there."""
        port = re.search(r'"health_port": (\d+)', self.ingest.output())
        return port is not None and http_get(f"http://127.0.0.1:{port[1]}/readyz", 2)[0] == 200

    def work(self) -> None:
        """Let the sensors and the publisher go on."""
        self.hold.unlink(missing_ok=True)
        self.publisher.go_on()

    def rest(self) -> None:
        """No new readings."""
        self.hold.touch()
        self.publisher.hold()

    def kill(self, names: tuple[str, ...], down_s: float) -> None:
        """End programs with SIGKILL, all at one time, for as long."""
        for name in names:
            self.programs[name].send(signal.SIGKILL)
        for name in names:
            self.programs[name].kill()
            self.down[name] = time.monotonic() + down_s
        if "broker" in names:
            self.broker_killed_s = time.monotonic()

    def tend(self) -> None:
        """Start again what has died, when its time has come."""
        now_s = time.monotonic()
        for name, process in self.programs.items():
            if process.is_running:
                continue
            if name not in self.down:
                self._ended_by_itself(name, process)
            elif now_s >= self.down[name]:
                del self.down[name]
                # Not Broker.start() and the like, which wait: a damaged database lets the broker end at once.
                Node.start(process) if isinstance(process, Node) else Process.start(process)

    def _ended_by_itself(self, name: str, process: Process) -> None:
        process.wait(5)
        self.down[name] = time.monotonic() + RESTART_S
        what = f"{name} ended with {process.exit_code}"
        if name == "broker":
            self.broker_killed_s = time.monotonic()
            moved = up_broker.set_damaged_aside(self.broker.folder, process.output().splitlines())
            self.set_aside += moved is not None
            what = moved or what
        self._say(what)

    def heal(self) -> None:
        """End every fault: links, signals, limits, and programs that are away."""
        for link in self.links.values():
            link.set(WELL)
        if self.store_link is not None:
            self.store_link.trouble.end()
        for name in self.down:
            self.down[name] = 0.0
        self.tend()

    def close(self) -> None:
        """End everything."""
        self.publisher.close()
        for process in reversed(self.programs.values()):
            process.send(signal.SIGCONT)
            if process.is_running:
                process.kill()
        for link in self.links.values():
            link.close()
        self.wires.close()
