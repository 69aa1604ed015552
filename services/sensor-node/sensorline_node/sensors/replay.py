"""A file instead of a sensor: plays a CSV of readings at the speed of its times, faster, or as fast as possible."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

from sensorline.errors import SensorError
from sensorline_node.sensors.base import Measurement
from sensorline_node.sensors.replay_csv import BadHeader, BadRow, Cell, CsvRows
from sensorline_node.sensors.replay_progress import Progress, progress_for

log = structlog.get_logger()

CHUNK = 500
"""Readings that one read() gives at most: about as many as one message to the broker holds."""

BAD_ROWS_SHOWN = 20


class ReplaySensor:
    """Gives a file's readings once, in the file's order. `speed` 1 is as it was, 60 a minute a second, None no wait.

    With `keeps_times` readings have the file's times, so that playing a file twice stores it once; without, they
    happen now. Rows that say nothing are logged with their line number, skipped, and counted in `bad_rows`.
    """

    name = "replay"
    is_simulated = False

    def __init__(
        self,
        path: Path,
        speed: float | None = 1.0,
        *,
        keeps_times: bool = True,
        now_s: Callable[[], float] = time.monotonic,
        progress: Callable[[Path], Progress] = progress_for,
    ) -> None:
        self._path = path
        self._speed = speed
        self._keeps_times = keeps_times
        self._now_s = now_s
        self._new_progress = progress
        self._progress: Progress | None = None
        self._file: BinaryIO | None = None
        self._cells: list[Cell] = []
        self._has_ended = False
        self._started: tuple[float, int] | None = None
        self.bad_rows = 0

    def open(self) -> None:
        """Open the file and read its header. Raises SensorError."""
        try:
            self._file = self._path.open("rb")
            self._source = CsvRows(self._file)
            self._rows = iter(self._source)
        except OSError as exc:
            raise SensorError(
                self.name, f"{self._path}: {exc.strerror}; set NODE_REPLAY_FILE to a CSV file"
            ) from exc
        except BadHeader as exc:
            raise SensorError(self.name, f"{self._path}: {exc}") from exc
        self._progress = self._new_progress(self._path)
        self._started = None
        self._cells = []
        self.bad_rows = 0
        self._fill()

    def read(self) -> list[Measurement]:
        """Return the readings whose time has come, at most CHUNK rows of them."""
        out: list[Measurement] = []
        while self._cells and len(out) < CHUNK and self._wait_s() <= 0:
            for cell in self._cells:
                time_ns = cell.time_ns if self._keeps_times else None
                out.append(Measurement(cell.metric, cell.value, cell.unit, time_ns))
            self._fill()
        if self._progress is not None:
            self._progress.show(self._source.bytes_read, self.bad_rows)
        if not self._cells and not self._has_ended:
            self._has_ended = True
            log.info("replay_ended", file=str(self._path), bad_rows=self.bad_rows)
        return out

    def ready_in_s(self) -> float | None:
        """Return the seconds until the next row's time, or None at the end of the file."""
        return max(0.0, self._wait_s()) if self._cells else None

    def close(self) -> None:
        """Close the file and the progress bar."""
        if self._progress is not None:
            self._progress.close()
            self._progress = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _fill(self) -> None:
        """Take the next row that says something; none is left at the end of the file."""
        self._cells = []
        for row in self._rows:
            if isinstance(row, BadRow):
                self._report(row)
            elif row:
                self._cells = row
                return

    def _report(self, row: BadRow) -> None:
        self.bad_rows += 1
        if self.bad_rows <= BAD_ROWS_SHOWN:
            log.warning("replay_row_skipped", file=str(self._path), line=row.line, detail=row.detail)
        elif self.bad_rows == BAD_ROWS_SHOWN + 1:
            log.warning(
                "replay_rows_skipped", file=str(self._path), detail="more bad rows; they are only counted"
            )

    def _wait_s(self) -> float:
        if self._speed is None:
            return 0.0
        time_ns = self._cells[0].time_ns
        if self._started is None:
            self._started = (self._now_s(), time_ns)
        started_s, first_ns = self._started
        return (time_ns - first_ns) / 1e9 / self._speed - (self._now_s() - started_s)
