"""The one place through which everything is written to one WebSocket.

It stands where the WebSocket library has its socket. What the library writes (answers, pings, acknowledgements, closing) waits as
it did before; live frames and announcements never wait. A message of which the socket took a part is ended before anything else goes
out. A client that does not keep up has that rest, its announcements, and one frame waiting, never more: a newer frame takes the place
of the waiting one, keeps only the newest reading of what is in the older one alone, and says that it did so.
"""

import _socket
import socket
import threading
from collections import deque
from contextlib import suppress
from typing import Any

from sensorline_web.live.liveframe import LiveFrame

UNSENT_MAX_BYTES = 64 * 1024
"""What the kernel may hold for a client beyond its window (TCP_NOTSENT_LOWAT): by default it would take megabytes, which is a
queue of minutes. A frame of ordinary size passes at once."""

_CLOSE_FRAME = 0x88
"""The first byte of a closing frame (RFC 6455, section 5.5.1): after it nothing more may be sent."""


class Outlet:
    """A socket of a WebSocket for its library, with `offer`, `post` and `catch_up` beside it for what is live.

    The library may write from any thread; `offer`, `post` and `catch_up` are called by one thread only, and never wait.
    `skipped` counts the frames that were replaced by newer ones.
    """

    def __init__(self, sock: Any, now_s: float) -> None:
        self._sock = sock
        # The same descriptor without timeouts and green waiting: MSG_DONTWAIT then means what it says in every async mode.
        self._direct = _socket.socket(fileno=sock.fileno())
        if self._direct.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            self._direct.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_MAX_BYTES)
        self._lock = threading.Lock()
        self._rest: bytes | memoryview = b""
        self._posted: deque[bytes] = deque()
        self._next: LiveFrame | None = None
        self._has_missed = False
        self._moved_s = now_s
        self._has_moved = False
        self._is_over = False
        self.skipped = 0

    def __getattr__(self, name: str) -> Any:
        # Reading, timeouts, names: not changed.
        return getattr(self._sock, name)

    @property
    def is_behind(self) -> bool:
        """Tell whether something waits for the client to read."""
        return not self._is_over and self._has_waiting

    @property
    def _has_waiting(self) -> bool:
        return self._next is not None or bool(self._rest) or bool(self._posted)

    @property
    def posted_bytes(self) -> int:
        """How much of announcements waits, and of a message that was begun."""
        return len(self._rest) + sum(map(len, self._posted))

    def stalled_s(self, now_s: float) -> float:
        """Return for how long the client has taken nothing of what waits, in seconds; 0 when nothing waits."""
        if self._has_moved:
            self._has_moved, self._moved_s = False, now_s
        return now_s - self._moved_s if self.is_behind else 0.0

    # --- what is live --------------------------------------------------------------------------------------------

    def offer(self, frame: LiveFrame, now_s: float) -> bool:
        """Write a frame as far as the socket takes it now; it, or its rest, waits for `catch_up`. Returns `is_behind`."""
        if not self._has_waiting:
            self._moved_s = now_s
        if not self._lock.acquire(blocking=False):
            # The library is writing, and may be waiting for this client.
            self._hold(frame)
            return True
        try:
            if self._is_over:
                return False
            if (self._has_waiting and not self._write_waiting(now_s)) or not self._write(frame, now_s):
                self._hold(frame)
        finally:
            self._lock.release()
        return self.is_behind

    def post(self, data: bytes, now_s: float) -> bool:
        """Write whole messages that must not be left out, in order, as far as the socket takes them. Returns `is_behind`."""
        if not self._has_waiting:
            self._moved_s = now_s
        self._posted.append(data)
        return self.catch_up(now_s)

    def catch_up(self, now_s: float) -> bool:
        """Write what waits, as far as the socket takes it now. Returns `is_behind`."""
        if self._lock.acquire(blocking=False):
            try:
                if not self._is_over:
                    self._write_waiting(now_s)
            finally:
                self._lock.release()
        return self.is_behind

    def _hold(self, frame: LiveFrame) -> None:
        if self._next is not None:
            self.skipped += 1
            self._has_missed = True
            frame = frame.over(self._next)
        self._next = frame

    def _write_waiting(self, now_s: float) -> bool:
        """Write the rest of a begun message, announcements, and the frame that waits; tell whether another frame may follow."""
        while self._rest or self._posted:
            data = self._rest or self._posted.popleft()
            # Clients share what they wait for.
            self._rest = memoryview(data)[self._push(data, now_s) :]
            if self._rest:
                return False
        if self._next is not None and self._write(self._next, now_s):
            self._next = None
        return self._next is None and not self._rest

    def _write(self, frame: LiveFrame, now_s: float) -> bool:
        """Begin a frame; tell whether any of it was taken. Then it is the rest that waits."""
        data = frame.wire_after_gap if self._has_missed else frame.wire
        taken = self._push(data, now_s)
        if not taken:
            return self._is_over
        self._has_missed = False
        if taken < len(data):
            self._rest = memoryview(data)[taken:]
        return True

    def _push(self, data: bytes | memoryview, now_s: float) -> int:
        try:
            taken = self._direct.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            # The connection has ended; whoever reads from it takes leave.
            self._is_over = True
            return 0
        self._moved_s = now_s
        return taken

    # --- what the WebSocket library does with its socket ------------------------------------------------------------

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Write everything, after the rest of a begun frame. Waits as the socket waits; raises what it raises."""
        with self._lock:
            rest, self._rest = self._rest, b""
            try:
                if rest:
                    self._sock.sendall(rest)
                self._sock.sendall(data, flags)
            except BaseException:
                # How much of it went out is not known: nothing may follow.
                self._is_over = True
                raise
            self._has_moved = True
            if data[:1] == bytes((_CLOSE_FRAME,)):
                self._is_over = True

    def send(self, data: bytes, flags: int = 0) -> int:
        """Write everything; simple-websocket relies on `send` for whole frames, which a socket does not promise."""
        self.sendall(data, flags)
        return len(data)

    def close(self) -> None:
        """End the live frames and close the socket; another thread that waits in it wakes up with an error."""
        self.cut()
        self.end()
        self._sock.close()

    def end(self) -> None:
        """Write no more live frames. Returns when none is being written; the descriptor may then be closed."""
        self._is_over = True
        if not self._lock.acquire(blocking=False):
            # The WebSocket is over: whoever still writes must not keep its thread for as long as TCP waits.
            self.cut()
            self._lock.acquire()
        self._direct.detach()
        self._lock.release()

    def cut(self) -> None:
        """End the connection at once: whoever waits for this client in reading or writing wakes up with an error."""
        self._is_over = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
