"""Starting, watching and ending what a bench needs: all on 127.0.0.1, all ended by pid."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

SENSORLINE = [sys.executable, "-m", "sensorline.cli"]
HERE = Path(__file__).parent


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(what: str, condition: Callable[[], Any], deadline_s: float = 60.0) -> Any:
    """Return the condition's first true value; end the bench with a sentence if none comes in time."""
    end_s = time.monotonic() + deadline_s
    while time.monotonic() < end_s:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"bench: waited {deadline_s:.0f} s in vain for {what}")


def answers(url: str) -> bool:
    """Tell whether a URL answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@contextmanager
def started(
    argv: list[str], log: Path, env: dict[str, str] | None = None, **kwargs: Any
) -> Iterator[subprocess.Popen[str]]:
    """Run a process for the length of the block; its output goes to `log` unless a pipe is asked for."""
    with log.open("w") as out:
        options: dict[str, Any] = {"stdout": out, "stderr": subprocess.STDOUT, "text": True} | kwargs
        process = subprocess.Popen(argv, env=os.environ | (env or {}), **options)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Run a private Mosquitto with the window of mosquitto/mosquitto.conf and a queue for millions; yields its port."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(binary).exists():
        raise SystemExit("bench: Mosquitto is not installed (apt-get install mosquitto)")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 2000\n"
        "max_queued_messages 2000000\nset_tcp_nodelay true\nlog_type error\n"
    )
    with started([binary, "-c", str(config)], folder / "mosquitto.log"):
        wait_for("Mosquitto", lambda: _accepts(port))
        yield port


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident_mb(pid: int) -> float:
    """Return a process's resident memory in MB (10^6 bytes)."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6
