"""From a publish to the sockets of 1 to 1,000 live clients, and what a frame for one client costs: written straight to the socket,
and through Engine.IO's queues (`emit`) in the same run.

Five series of one device are published together ten times a second, at moments that nobody can foresee.
"""

import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from load import connect
from processes import HERE, SENSORLINE, answers, cpu_s, free_port, mosquitto, resident_mb, started, wait_for
from table import Row

TARGET_P99_MS = {1: 15, 50: 15, 500: 40, 1_000: 50}
TARGET_RATIO = 0.33
DEFAULT_MODE = "eventlet"
"""What is to be reached is said of the default; with a thread for each client a thousand pings at once are felt."""

MODES = (DEFAULT_MODE, "threading")
SERIES = 5
PERIOD_S = 0.1
ROUNDS = 3
ROUND_S = 5.0
SETTLE_S = 4.0
"""After the clients have come, and after the five new series have been announced to each of them."""

IDLE_S = 10.0
"""Every client is sent one ping in this time."""


class Figures(NamedTuple):
    """One number of clients: latencies (ms) of each round, CPU (µs) a client-frame, CPU (% of a core) while idle,
    memory (MB), frames missed, frames a second that each client got, CPU (% of a core) that other processes took.
    """

    p50_ms: list[float]
    p99_ms: list[float]
    cpu_us: float
    idle_percent: float
    memory_mb: float
    missed: int
    rate: float
    others_percent: float


def measure(folder: Path) -> list[Row]:
    """Return the rows of this bench."""
    rows = []
    with mosquitto(folder) as port:
        for mode in MODES:
            direct = {n: _measure(folder, port, mode, n, is_direct=True) for n in TARGET_P99_MS}
            queued = _measure(folder, port, mode, max(TARGET_P99_MS), is_direct=False)
            rows += [_latency_row(mode, n, figures) for n, figures in direct.items()]
            rows += _cost_rows(mode, direct[max(TARGET_P99_MS)], queued)
    return rows


def _latency_row(mode: str, clients: int, figures: Figures) -> Row:
    p50, p99 = statistics.median(figures.p50_ms), statistics.median(figures.p99_ms)
    each = " ".join(f"{value:.0f}" for value in figures.p99_ms)
    missed = f", {figures.missed} frames missed" if figures.missed else ""
    figure = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (rounds {each}){missed}; others {figures.others_percent:.0f} % of a core"
    what = f"publish to {clients:,} socket{'s' if clients > 1 else ''}, {mode}"
    if mode != DEFAULT_MODE:
        return Row(what, figure, "", "")
    limit = TARGET_P99_MS[clients]
    return Row(what, figure, "", f"p99 < {limit} ms", p99 < limit)


def _cost_rows(mode: str, direct: Figures, queued: Figures) -> list[Row]:
    ratio = direct.cpu_us / queued.cpu_us
    most = f"{max(TARGET_P99_MS):,} clients, {mode}"
    p50, p99 = statistics.median(queued.p50_ms), statistics.median(queued.p99_ms)
    return [
        Row(
            f"the same by `emit`, {most}",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {queued.rate:.1f} frames/s each",
            "",
            "",
        ),
        Row(
            f"CPU a client-frame, {most}",
            f"{direct.cpu_us:.1f} µs, by `emit` {queued.cpu_us:.1f} µs: {ratio:.2f} of it",
            "",
            f"≤ {TARGET_RATIO} of `emit`",
            ratio <= TARGET_RATIO,
        ),
        Row(
            f"{most} that are sent nothing",
            f"{direct.idle_percent:.1f} % of a core; {direct.memory_mb:.0f} MB resident",
            "",
            "",
        ),
    ]


def _measure(folder: Path, mqtt_port: int, mode: str, clients: int, *, is_direct: bool) -> Figures:
    http = free_port()
    env = {
        "MQTT_PORT": str(mqtt_port),
        "STORE_PATH": str(folder / "fanout.db"),
        "WEB_PORT": str(http),
        "WEB_ASYNC_MODE": mode,
        "WEB_DIRECT_FRAMES": str(is_direct).lower(),
        "LOG_LEVEL": "error",
    }
    with started([*SENSORLINE, "web"], folder / "w.log", env) as web:
        wait_for("web", lambda: answers(f"http://127.0.0.1:{http}/healthz"))
        with _watchers(http, clients, folder) as watchers:
            time.sleep(SETTLE_S)
            before_s = cpu_s(web.pid)
            time.sleep(IDLE_S)
            idle_percent = 100 * (cpu_s(web.pid) - before_s) / IDLE_S
            with _publisher(mqtt_port):
                time.sleep(SETTLE_S)
                _ask(watchers)
                before_s, others_s, begun_s = cpu_s(web.pid), _others_s(), time.monotonic()
                rounds = []
                for _ in range(ROUNDS):
                    time.sleep(ROUND_S)
                    rounds.append(_ask(watchers))
                spent_s = cpu_s(web.pid) - before_s
                others = (_others_s() - others_s) / (time.monotonic() - begun_s)
            frames = sum(found["frames"] for found in rounds)
            assert frames, f"no frame came to {clients} clients"
            return Figures(
                [found["p50"] for found in rounds],
                [found["p99"] for found in rounds],
                spent_s / frames * 1e6,
                idle_percent,
                resident_mb(web.pid),
                rounds[-1]["missed"],
                frames / clients / ROUNDS / ROUND_S,
                100 * others,
            )


def _others_s() -> float:
    """Return the CPU seconds of everything on this machine but the bench: what a latency must be read with."""
    times = psutil.cpu_times()
    this = psutil.Process()
    own = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return float(sum(times) - times.idle - times.iowait - sum(t.user + t.system for t in own))


@contextmanager
def _watchers(http: int, clients: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, str(HERE / "watchers.py"), str(http), str(clients)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": None}
    with started(argv, folder / "c.log", **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n", "the clients could not connect"
        yield process


def _ask(watchers: subprocess.Popen[str]) -> dict[str, Any]:
    assert watchers.stdin
    assert watchers.stdout
    watchers.stdin.write("\n")
    watchers.stdin.flush()
    found: dict[str, Any] = json.loads(watchers.stdout.readline())
    return found


@contextmanager
def _publisher(port: int) -> Iterator[None]:
    ended = threading.Event()

    def publish() -> None:
        sock = connect(port, f"bench-fanout-{time.time_ns()}")
        due_s = time.monotonic()
        while not ended.is_set():
            # Between 70 and 130 ms: no clock of ours and none of the service can fall into step.
            due_s += PERIOD_S * random.uniform(0.7, 1.3)
            ended.wait(max(due_s - time.monotonic(), 0))
            value = b"%.3f" % (time.monotonic() * 1000)
            topics = [b"sensors/bench/m%d" % i for i in range(SERIES)]
            # QoS 0 PUBLISH (MQTT 3.1.1, section 3.3): what matters here is when, not whether.
            sock.sendall(
                b"".join(
                    b"\x30" + bytes((2 + len(topic) + len(value), 0, len(topic))) + topic + value
                    for topic in topics
                )
            )
        sock.close()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
