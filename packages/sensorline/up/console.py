"""What `sensorline up` prints: its own lines as they are, the services' lines behind their names."""

import os
from collections import deque
from collections.abc import Sequence
from typing import Any, BinaryIO

# Cyan, green, yellow, blue, magenta: readable on dark and light terminals; red is left to errors.
_COLOURS = (36, 32, 33, 34, 35)
# A line that never ends must not grow in memory.
_LONGEST_LINE = 64 * 1024
_REMEMBERED_LINES = 20
_UNSHOWN = {code: f"\\x{code:02x}" for code in (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0))}


class Console:
    """Writes whole lines to one stream, and goes on when nobody reads them any more."""

    def __init__(self, out: BinaryIO, names: Sequence[str], coloured: bool | None = None) -> None:
        self._out = out
        self._width = max(map(len, names), default=0)
        self._coloured = coloured if coloured is not None else out.isatty() and not os.environ.get("NO_COLOR")
        self._colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}

    def say(self, line: str) -> None:
        """Print a line of the supervisor's own."""
        try:
            self._out.write(line.encode(errors="replace") + b"\n")
            self._out.flush()
        except (OSError, ValueError):
            # The terminal or the reader of our pipe is gone. Services go on and still stop in order.
            return

    def prefixed(self, name: str, line: bytes) -> None:
        """Print a service's line; control characters, which could drive a terminal, are shown as \\xNN."""
        prefix = f"{name:<{self._width}} | "
        if self._coloured:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        self.say(prefix + line.decode(errors="replace").translate(_UNSHOWN))


class LineStream:
    """Takes what a service writes, as circus hands it over in pieces, and prints it line by line."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._rest = b""
        self.last: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        """The newest lines."""

    def __call__(self, data: dict[str, Any]) -> None:
        """Take one piece: circus calls this with a mapping that has the bytes under `data`."""
        *lines, self._rest = (self._rest + data["data"]).split(b"\n")
        for line in lines:
            self._show(line.removesuffix(b"\r"))
        if len(self._rest) > _LONGEST_LINE:
            self.flush()

    def flush(self) -> None:
        """Print what has no line end yet."""
        if self._rest:
            self._show(self._rest)
            self._rest = b""

    def _show(self, line: bytes) -> None:
        self.last.append(line.decode(errors="replace"))
        self._console.prefixed(self._name, line)
