"""A Sensorline node as it is, with a sensor that numbers its readings; run as a program, it says on its output what was taken.

    ~A first last            the sensor gave the readings of these numbers
    ~T metric time value …   these are durable in the outbox: from here on they are promised
    ~W count                 so many wait for their confirmation

On the output, not in a file: a test may forbid the process to write files. No reading is given while the file CHAOS_HOLD exists.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# In place of this folder, where a program that is started by its file looks first.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.chaos.numbering import value_of  # noqa: E402 - the path comes first

from sensorline_node import app  # noqa: E402
from sensorline_node.__main__ import main  # noqa: E402
from sensorline_node.outbox import Outbox  # noqa: E402
from sensorline_node.rows import Row  # noqa: E402
from sensorline_node.sensors.base import Measurement  # noqa: E402

READINGS_AT_ONCE = 5
METRICS = 2


def _say(line: str) -> None:
    # One write(2): a kill leaves the line whole or none of it.
    os.write(1, f"{line}\n".encode())


class NumberedSensor:
    """Counts. `first` is the number to begin with."""

    name = "numbered"
    is_simulated = True

    def __init__(self, device: str, first: int, hold: Path) -> None:
        self._device = device
        self._next = first
        self._hold = hold

    def open(self) -> None:
        """Nothing can be missing."""

    def read(self) -> list[Measurement]:
        """Return the next readings."""
        if self._hold.exists():
            return []
        numbers = range(self._next, self._next + READINGS_AT_ONCE)
        self._next = numbers.stop
        _say(f"~A {numbers.start} {numbers.stop - 1}")
        return [Measurement(f"m{n % METRICS}", value_of(self._device, n)) for n in numbers]

    def close(self) -> None:
        """Nothing was open."""


class WitnessedOutbox(Outbox):
    """The node's outbox, which tells what it has taken and what waits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _say(f"~W {self.count}")

    def put(self, measurements: Sequence[Measurement], now_ms: int, monotonic_s: float = 0.0) -> list[Row]:
        rows = super().put(measurements, now_ms, monotonic_s)
        if rows:
            _say("~T " + " ".join(f"{row.metric} {row.time_ms} {row.value!r}" for row in rows))
        _say(f"~W {self.count}")
        return rows

    def confirm(self, ranges: Sequence[tuple[int, int]]) -> int | None:
        deleted = super().confirm(ranges)
        _say(f"~W {self.count}")
        return deleted


if __name__ == "__main__":
    device, first, hold = (os.environ[f"CHAOS_{name}"] for name in ("DEVICE", "FIRST", "HOLD"))
    app.build = lambda name, settings: NumberedSensor(device, int(first), Path(hold))
    app.Outbox = WitnessedOutbox  # type: ignore[misc]
    sys.exit(main())
