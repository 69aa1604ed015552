"""A proxy whose link is bad: silent, slow, in small pieces, or with packets that no broker sends."""

import contextlib
import socket
import time

from tests.support.proxy import Proxy


class BadLink(Proxy):
    """As long as nothing is set, a proxy like the others.

    `is_silent` swallows everything in both directions and leaves connections open. `piece_bytes` and `pause_s` pass everything on in
    pieces of that size, with that pause behind each.
    """

    def __init__(self, broker_port: int) -> None:
        self.is_silent = False
        self.piece_bytes = 0
        self.pause_s = 0.0
        super().__init__(broker_port)

    def _pass_on(self, target: socket.socket, data: bytes) -> None:
        if self.is_silent:
            return
        size = self.piece_bytes or len(data)
        for first in range(0, len(data), size):
            target.sendall(data[first : first + size])
            time.sleep(self.pause_s)

    def say(self, data: bytes) -> None:
        """Send bytes to every client, as if they came from the broker."""
        with self._lock:
            sides = list(self._open)
        for side in sides:
            with contextlib.suppress(OSError):
                if side.getsockname()[1] == self.port:
                    side.sendall(data)
