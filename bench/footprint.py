"""What a service costs while little happens: time until it is ready, resident memory, processor at 100 readings/s.

The readings are 100 series of one a second, evenly spread, which is the most expensive way to come. A machine that does
other work as well makes every figure larger: compare them to the plain interpreter and the plain consumer of the same run.
"""

import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import socketio
from processes import HERE, SENSORLINE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

STARTS = 7
RATE = 100
SECONDS = 60
NAMESPACE = "/livefeed"

READY_S = 1.0
CPU_PERCENT = 1.0
MEMORY_MB = {"ingest": 60, "web": 60, "node": 30}


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    elsewhere = folder / "node"
    elsewhere.mkdir()
    # The node has a broker to itself: the plain consumer understands only what the load publishes.
    with mosquitto(folder) as port, mosquitto(elsewhere) as node_port:
        env = {
            "MQTT_PORT": str(port),
            "STORE_PATH": str(folder / "footprint.db"),
            "NODE_OUTBOX_PATH": str(folder / "node.db"),
            "LOG_LEVEL": "error",
        }
        return _starts(folder, env) + _live(folder, env, port, node_port)


def _starts(folder: Path, env: dict[str, str]) -> list[Row]:
    rows = []
    for name, variable in (("ingest", "INGEST_HTTP_PORT"), ("web", "WEB_PORT")):
        plain_s, ready_s = [], []
        for _ in range(STARTS):
            begun_s = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            plain_s.append(time.perf_counter() - begun_s)
            port = free_port()
            begun_s = time.perf_counter()
            with started([*SENSORLINE, name], folder / f"{name}.log", env | {variable: str(port)}):
                wait_for(name, lambda port=port: answers(f"http://127.0.0.1:{port}/readyz"))
                ready_s.append(time.perf_counter() - begun_s)
        best, median = min(ready_s), statistics.median(ready_s)
        rows.append(
            Row(
                f"{name}: from its start to /readyz, best of {STARTS}",
                f"{best:.2f} s, median {median:.2f} s, {median / statistics.median(plain_s):.0f} plain interpreters",
                "",
                f"< {READY_S:g} s",
                best < READY_S,
            )
        )
    return rows


def _live(folder: Path, env: dict[str, str], port: int, node_port: int) -> list[Row]:
    health, http = free_port(), free_port()
    env = env | {"INGEST_HTTP_PORT": str(health), "WEB_PORT": str(http)}
    count = RATE * (2 * SECONDS + 30)
    with (
        started([*SENSORLINE, "ingest"], folder / "i.log", env) as ingest,
        started([*SENSORLINE, "web"], folder / "w.log", env) as web,
        started([*SENSORLINE, "node"], folder / "n.log", env | {"MQTT_PORT": str(node_port)}) as node,
        started(
            [sys.executable, str(HERE / "plain_consumer.py"), str(port), str(count)], folder / "p.log"
        ) as plain,
    ):
        wait_for("ingest", lambda: answers(f"http://127.0.0.1:{health}/readyz"))
        wait_for("web", lambda: answers(f"http://127.0.0.1:{http}/readyz"))
        pids = {"ingest": ingest.pid, "web": web.pid, "node": node.pid, "plain": plain.pid}
        load = [sys.executable, str(HERE / "load.py"), str(port), str(count), str(RATE), str(RATE)]
        with started(load, folder / "l.log"):
            time.sleep(5)
            unwatched = _percents(pids)
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/", timeout=5) as page:
                page.read()
            watched, frames = _watched(http, lambda: _percents(pids))
        memory = {name: resident_mb(pid) for name, pid in pids.items()}
    rows = [
        _cpu_row(f"ingest: processor at {RATE} readings/s", unwatched, "ingest"),
        _cpu_row(f"web: processor at {RATE} readings/s, nobody watches", unwatched, "web"),
        _cpu_row(
            f"web: the same, one page watches all ({frames:.0f} frames/s)", watched, "web", is_idle=False
        ),
        Row("node: processor, this machine's own readings", f"{unwatched['node']:.2f} % of a core", "", ""),
    ]
    for name, budget_mb in MEMORY_MB.items():
        figure = f"{memory[name]:.1f} MB"
        rows.append(
            Row(
                f"{name}: resident memory, live operation",
                figure,
                "",
                f"< {budget_mb} MB",
                memory[name] < budget_mb,
            )
        )
    return rows


def _percents(pids: dict[str, int]) -> dict[str, float]:
    """Return the percentage of a core that each process uses within the next minute."""
    before, begun_s = {name: cpu_s(pid) for name, pid in pids.items()}, time.perf_counter()
    time.sleep(SECONDS)
    seconds = time.perf_counter() - begun_s
    return {name: 100 * (cpu_s(pid) - before[name]) / seconds for name, pid in pids.items()}


def _watched(http: int, during: Callable[[], dict[str, float]]) -> tuple[dict[str, float], float]:
    """Return what `during` returns while a browser watches every series, and the frames/s that it got."""
    frames = 0

    def count(_: object) -> None:
        nonlocal frames
        frames += 1

    page = socketio.Client()
    page.on("frame", count, namespace=NAMESPACE)
    page.connect(f"http://127.0.0.1:{http}", namespaces=[NAMESPACE], transports=["websocket"])
    try:
        assert page.call("watch", {"all": True}, namespace=NAMESPACE)["ok"]
        begun_s = time.perf_counter()
        found = during()
        return found, frames / (time.perf_counter() - begun_s)
    finally:
        page.disconnect()


def _cpu_row(what: str, percents: dict[str, float], name: str, *, is_idle: bool = True) -> Row:
    percent = percents[name]
    if not is_idle:
        return Row(what, f"{percent:.2f} % of a core", f"{percent / percents['plain']:.2f}", "")
    return Row(
        what,
        f"{percent:.2f} % of a core",
        f"{percent / percents['plain']:.2f}",
        f"< {CPU_PERCENT:g} %",
        percent < CPU_PERCENT,
    )
