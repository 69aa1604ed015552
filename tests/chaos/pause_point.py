"""Waiting for a process at one of the pause points of sensorline.pausing."""

import os
from pathlib import Path


class PausePoint:
    """Armed from the beginning; close it, and processes pass the point again."""

    def __init__(self, folder: Path, point: str) -> None:
        self._fifo = folder / point
        os.mkfifo(self._fifo)
        self._end = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)

    def arrived(self) -> int | None:
        """Return the number of the process that has stopped there, or None as long as none has."""
        try:
            said = os.read(self._end, 64)
        except BlockingIOError:
            return None
        return int(said.split()[0]) if said else None

    def close(self) -> None:
        """Let everybody pass; who has stopped there remains stopped until SIGCONT."""
        self._fifo.unlink(missing_ok=True)
        os.close(self._end)
