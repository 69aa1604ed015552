"""How far a replay is: a bar on a terminal, a line for each tenth of the file elsewhere."""

import sys
from pathlib import Path
from typing import Any, Protocol

import structlog

log = structlog.get_logger()


class Progress(Protocol):
    """Shows how many bytes of the file have been read."""

    def show(self, bytes_read: int, bad_rows: int) -> None:
        """Note the bytes read so far; called often."""

    def close(self) -> None:
        """Leave the terminal in order."""


class Bar:
    """A tqdm bar on standard error."""

    def __init__(self, path: Path, total_bytes: int, tqdm: Any) -> None:
        self._bar = tqdm(total=total_bytes, unit="B", unit_scale=True, desc=path.name, file=sys.stderr)

    def show(self, bytes_read: int, bad_rows: int) -> None:
        """Move the bar."""
        if bad_rows:
            self._bar.set_postfix(bad_rows=bad_rows, refresh=False)
        self._bar.update(bytes_read - self._bar.n)

    def close(self) -> None:
        """End the bar's line."""
        self._bar.close()


class Lines:
    """A log line for each tenth of the file."""

    def __init__(self, path: Path, total_bytes: int) -> None:
        self._path = path
        self._total_bytes = max(1, total_bytes)
        self._shown = 0

    def show(self, bytes_read: int, bad_rows: int) -> None:
        """Log if another tenth is done."""
        tenths = 10 * bytes_read // self._total_bytes
        if tenths > self._shown:
            self._shown = tenths
            log.info("replay_progress", file=str(self._path), percent=10 * tenths, bad_rows=bad_rows)

    def close(self) -> None:
        """Nothing is open."""


def progress_for(path: Path) -> Progress:
    """Return a bar if standard error is a terminal and tqdm is there, else lines."""
    total_bytes = path.stat().st_size
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            return Lines(path, total_bytes)
        return Bar(path, total_bytes, tqdm)
    return Lines(path, total_bytes)
