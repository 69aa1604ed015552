"""A million messages that waited for ingest: how fast they are stored, and how late live readings reach a browser meanwhile.

The broker keeps them for ingest's session. Then ingest starts; beside it a reading every 50 ms goes through the broker and the
web service to a Socket.IO client.

Mosquitto serves one connection for as long as acknowledgements keep coming in: with 10,000 messages in flight others wait for
more than a second, with the 2,000 of our configurations hardly.
"""

import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import socketio
from ingest import stored
from paho.mqtt.enums import CallbackAPIVersion
from processes import HERE, SENSORLINE, answers, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

COUNT = 1_000_000
SERIES = 500
PROBE_EVERY_S = 0.05
NAMESPACE = "/livefeed"


class Probe:
    """Publishes readings one by one, each with its own time as its value, and notes when each comes out of the web service."""

    def __init__(self, port: int, web: str) -> None:
        self.latencies_ms: list[float] = []
        self._ended = threading.Event()
        self._publisher = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._publisher.connect("127.0.0.1", port)
        self._publisher.loop_start()
        self._browser = socketio.Client(reconnection=False, handle_sigint=False)
        self._browser.on("frame", self._frame, namespace=NAMESPACE)
        self._browser.connect(web, transports=["websocket"], namespaces=[NAMESPACE], wait_timeout=10)
        self._browser.call("watch", {"series": [["probe", "t"]]}, namespace=NAMESPACE)
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def _publish(self) -> None:
        while not self._ended.wait(PROBE_EVERY_S):
            self._publisher.publish("sensors/probe/t", b'{"value":%.6f}' % time.time())

    def _frame(self, data: Any) -> None:
        now_s = time.time()
        for entry in data["series"]:
            self.latencies_ms += [(now_s - sent_s) * 1000 for sent_s in entry[3]]

    def end(self) -> None:
        """Stop publishing, and disconnect."""
        self._ended.set()
        self._thread.join()
        self._browser.disconnect()
        self._publisher.loop_stop()


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    health, http = free_port(), free_port()
    env = {
        "STORE_PATH": str(folder / "catchup.db"),
        "INGEST_HTTP_PORT": str(health),
        "WEB_PORT": str(http),
        "LOG_LEVEL": "error",
    }
    ready = f"http://127.0.0.1:{health}/readyz"
    with mosquitto(folder) as port:
        env["MQTT_PORT"] = str(port)
        with started([*SENSORLINE, "ingest"], folder / "first.log", env):
            wait_for("ingest", lambda: answers(ready))
        load = [sys.executable, str(HERE / "load.py"), str(port), str(COUNT), str(SERIES)]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
        with started([*SENSORLINE, "web"], folder / "web.log", env):
            wait_for("web", lambda: answers(f"http://127.0.0.1:{http}/readyz"))
            probe = Probe(port, f"http://127.0.0.1:{http}")
            try:
                wait_for("the live feed", lambda: len(probe.latencies_ms) > 10)
                with started([*SENSORLINE, "ingest"], folder / "ingest.log", env) as ingest:
                    wait_for("ingest", lambda: answers(ready))
                    probe.latencies_ms.clear()
                    before, begun_s = stored(health), time.perf_counter()
                    wait_for("the million to be stored", lambda: stored(health) >= COUNT, 180)
                    rate = (COUNT - before) / (time.perf_counter() - begun_s)
                    memory, latencies = resident_mb(ingest.pid), sorted(probe.latencies_ms)
            finally:
                probe.end()
    p50, p99 = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    return [
        Row(
            "catching up a million queued messages into SQLite",
            f"{rate:,.0f} readings/s, {memory:.0f} MB resident at its end",
            "",
            "",
        ),
        Row(
            "live readings to a Socket.IO client meanwhile",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(latencies)} readings)",
            "",
            "p99 < 300 ms",
            p99 < 300,
        ),
    ]
