"""A node as a process, and what it has said of its readings."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.chaos.numbering import number_of
from tests.support.processes import Process

PROGRAM = Path(__file__).with_name("numbered_node.py")


class Taken(NamedTuple):
    """A reading that is durable in the outbox."""

    metric: str
    time_ms: int
    value: float


class Node(Process):
    """Runs numbered_node.py on an outbox of its own; each life begins with the number after the last one that was given."""

    def __init__(
        self, device: str, folder: Path, broker: dict[str, object], pauses: Path, hold: Path
    ) -> None:
        settings = broker | {
            "NODE_NAME": device,
            "NODE_SENSORS": "simulated",
            "NODE_INTERVAL_S": 0.1,
            "NODE_OUTBOX_PATH": folder / f"{device}.db",
            "LOG_FORMAT": "json",
            "CHAOS_DEVICE": device,
            "CHAOS_HOLD": hold,
            "SENSORLINE_PAUSE_AT": pauses,
        }
        super().__init__(device, [sys.executable, str(PROGRAM)], folder, settings)
        self.attempted = 0
        """How many readings the sensor has given: their numbers are 0 … attempted - 1."""
        self.taken: dict[int, Taken] = {}
        self.waiting: int | None = None
        """How many readings wait for their confirmation, as it said last in its newest life."""

    def start(self) -> None:
        self.settings["CHAOS_FIRST"] = self.attempted
        self.waiting = None
        super().start()

    def _collect(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stdout is not None
        with popen.stdout:
            for line in popen.stdout:
                if line.startswith(b"~"):
                    self._note(line.decode().split())
                else:
                    self._lines.append(line.decode(errors="backslashreplace").rstrip("\n"))

    def _note(self, words: list[str]) -> None:
        match words[0]:
            case "~A":
                self.attempted = int(words[2]) + 1
            case "~T":
                for metric, time_ms, value in zip(words[1::3], words[2::3], words[3::3], strict=True):
                    self.taken[number_of(float(value))] = Taken(metric, int(time_ms), float(value))
            case "~W":
                self.waiting = int(words[1])
