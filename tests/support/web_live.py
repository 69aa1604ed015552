"""The web service in a process of its own, browsers that watch it, and a device that publishes."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import socketio
from tests.support.brokers import Mosquitto
from tests.support.environment import clean_environment
from tests.support.ports import free_port
from tests.support.waiting import wait_until

NAMESPACE = "/livefeed"


class PublishingBroker(Mosquitto):
    """A Mosquitto with a publisher that is connected while it runs."""

    _publisher: paho.Client | None = None

    def start(self) -> None:
        super().start()
        self._publisher = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._publisher.connect("127.0.0.1", self.port)
        self._publisher.loop_start()
        wait_until(self._publisher.is_connected, 5, "the publisher to be connected")

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        assert self._publisher
        self._publisher.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def end(self) -> None:
        """Stop the publisher, then the broker."""
        if self._publisher:
            self._publisher.disconnect()
            self._publisher.loop_stop()
            self._publisher = None
        self.stop()


class Web:
    """The web service in a process of its own."""

    def __init__(
        self, mode: str, broker: PublishingBroker, store: Path, folder: Path, **settings: object
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = clean_environment(
            {
                "WEB_ASYNC_MODE": mode,
                "WEB_PORT": self.port,
                "MQTT_PORT": broker.port,
                "STORE_PATH": store,
                "LOG_FORMAT": "json",
            }
            | settings
        )
        self.log = folder / f"web-{mode}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sensorline_web"], env=env, cwd=folder, stderr=log, stdout=log
            )

    def end(self) -> int:
        """Send SIGTERM and return the exit code; kill it if it does not end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def get(self, path: str) -> tuple[int, Any, Any]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.headers, exc.read()

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value now."""
        shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
        start = f"sensorline_web_{name}{{{shown}}} " if labels else f"sensorline_web_{name} "
        lines = self.get("/metrics")[2].decode().splitlines()
        return float(next(line for line in lines if line.startswith(start)).split()[-1])

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


class Page:
    """A browser: what it was told, in order."""

    def __init__(self, web: Web, transports: Sequence[str] = ("websocket",)) -> None:
        self.events: list[tuple[str, Any]] = []
        self.client = socketio.Client(reconnection=False, handle_sigint=False)
        for event in ("frame", "device", "metric", "state", "event"):
            self.client.on(event, self._note(event), namespace=NAMESPACE)
        self.client.connect(web.url, transports=list(transports), namespaces=[NAMESPACE], wait_timeout=5)

    def _note(self, event: str) -> Callable[[Any], None]:
        return lambda data: self.events.append((event, data))

    def call(self, event: str, data: Any) -> Any:
        return self.client.call(event, data, namespace=NAMESPACE, timeout=5)

    def told(self, event: str) -> list[Any]:
        return [data for name, data in list(self.events) if name == event]

    def values(self, device: str, metric: str) -> list[float]:
        return [
            value
            for frame in self.told("frame")
            for entry in frame["series"]
            if entry[:2] == [device, metric]
            for value in entry[3]
        ]
