"""Real processes: started with a known environment, listened to, and stopped by their process id."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.environment import clean_environment
from tests.support.waiting import wait_until

STOP_TIMEOUT_S = 12.0
SENSORLINE = (sys.executable, "-m", "sensorline.cli")
"""The `sensorline` command of this very interpreter, also where its scripts are not in PATH."""


class Process:
    """A program that runs beside the test. Its output (both streams) is collected line by line in memory.

    `settings` are environment variables on top of the cleaned environment. The working folder is `folder`.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, settings: Mapping[str, object] | None = None
    ) -> None:
        self.name = name
        self._arguments = list(arguments)
        self._folder = folder
        self.settings = dict(settings or {})
        self._popen: subprocess.Popen[bytes] | None = None
        self._lines: list[str] = []
        self._reader: threading.Thread | None = None
        self._first_line = 0

    def end_with_us(self) -> None:
        """For a server of a whole run: from its next start on it is killed when the thread that starts it ends, by SIGKILL too."""
        if shutil.which("setpriv"):
            self._arguments = ["setpriv", "--pdeathsig", "KILL", *self._arguments]

    def start(self) -> None:
        """Start it, or start it again after it ended; the output of earlier lives is kept."""
        assert not self.is_running, f"{self.name} runs already"
        self._first_line = len(self._lines)
        # A pipe and a thread rather than a file: a test may forbid the process to write files.
        self._popen = subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            env=clean_environment({"PYTHONUNBUFFERED": "1"} | self.settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._collect, args=(self._popen,), daemon=True)
        self._reader.start()

    def _collect(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout is not None
        with popen.stdout:
            for line in popen.stdout:
                self._lines.append(line.decode(errors="backslashreplace").rstrip("\n"))

    @property
    def is_running(self) -> bool:
        """True from `start()` until it ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the newest life."""
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The newest life's exit code, or None while it runs; negative for the signal that ended it."""
        return None if self._popen is None else self._popen.poll()

    def output(self, *, all_lives: bool = False) -> str:
        """Return what it has written, in its newest life or in all."""
        return "\n".join(self._lines[0 if all_lives else self._first_line :])

    def wait_for_output(self, pattern: str, deadline_s: float = 15.0) -> re.Match[str]:
        """Return the first match of a regular expression in the newest life's output."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.output())
            assert match or self.is_running, (
                f"{self.name} ended with {self.exit_code} before {pattern!r}\n{self.output()}"
            )
            return match

        match = wait_until(found, deadline_s, lambda: f"{pattern!r} from {self.name}:\n{self.output()}")
        assert match is not None
        return match

    def send(self, number: signal.Signals) -> None:
        """Send a signal, for example SIGSTOP, if it still runs."""
        if self.is_running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL and wait for that."""
        self.send(signal.SIGKILL)
        self.wait(5)

    def wait(self, deadline_s: float) -> int:
        """Wait for its end and return the exit code."""
        assert self._popen is not None, f"{self.name} was never started"
        try:
            code = self._popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {deadline_s:g} s\n{self.output()}") from None
        if self._reader is not None:
            self._reader.join(5)
        return code

    def stop(self) -> int:
        """End it in order: SIGTERM, and SIGKILL if it does not follow; return the exit code."""
        if self._popen is None:
            return 0
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.wait(STOP_TIMEOUT_S)
        except AssertionError:
            self.kill()
            raise


class Processes:
    """Everything that one test (or fixture) started. `close()` kills what is left, newest first."""

    def __init__(self) -> None:
        self.started: list[Process] = []

    def add(self, process: Process) -> Process:
        """Remember a process: it is killed at the end, and its output is shown if the test fails."""
        self.started.append(process)
        return process

    def close(self) -> None:
        """Kill whatever still runs."""
        for process in reversed(self.started):
            process.send(signal.SIGCONT)
            if process.is_running:
                process.kill()


def run_sensorline(
    *arguments: str,
    folder: Path,
    settings: Mapping[str, object] | None = None,
    stdin: bytes = b"",
    timeout_s: float = 30.0,
) -> subprocess.CompletedProcess[bytes]:
    """Run a `sensorline` subcommand to its end; the streams are in `stdout` and `stderr`, as bytes."""
    return subprocess.run(
        [*SENSORLINE, *arguments],
        cwd=folder,
        env=clean_environment(settings),
        input=stdin,
        capture_output=True,
        timeout=timeout_s,
    )
