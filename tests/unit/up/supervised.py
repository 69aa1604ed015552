"""A running supervisor to look at from outside."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 20.0


class Supervised:
    """The supervisor's process and every line that it has printed."""

    def __init__(self, services: list[tuple[str, str, dict[str, Any]]], environment: dict[str, str]) -> None:
        script = Path(__file__).with_name("stand_in.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), json.dumps(services)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._incoming: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                self._incoming.put(line.decode().rstrip("\n"))
        self._incoming.put(None)

    def until(self, text: str, count: int = 1) -> str:
        """Return the line with `text` (the count-th one), failing with everything seen when it does not come."""
        deadline = time.monotonic() + DEADLINE_S
        while len(found := [line for line in self.lines if text in line]) < count:
            try:
                line = self._incoming.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"{text!r} was not printed {count} times within {DEADLINE_S} s: {self.lines}")
            if line is None:
                pytest.fail(f"{text!r} was not printed {count} times before the end: {self.lines}")
            self.lines.append(line)
        return found[count - 1]

    def end(self) -> int:
        """Wait for the end, with all remaining lines, and return the exit code."""
        while (line := self._incoming.get(timeout=DEADLINE_S)) is not None:
            self.lines.append(line)
        return self.process.wait(DEADLINE_S)

    def stop(self, signum: signal.Signals = signal.SIGINT) -> int:
        """Send the signal and wait for the end."""
        self.process.send_signal(signum)
        return self.end()

    def clean_up(self) -> None:
        """End it, if the test has not."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
