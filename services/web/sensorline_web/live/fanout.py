"""Hands frames and announcements to each client: straight to the socket where there is an outlet, else to Engine.IO's queue."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from sensorline_web.live.emitter import LIVE_ROOM, Emitter
from sensorline_web.live.engine import Outlets
from sensorline_web.live.liveframe import LiveFrame, event_payload, queued_packet, text_frame
from sensorline_web.live.outlet import Outlet
from sensorline_web.metrics import WebMetrics

RETRY_S = 0.01
"""How often a client is tried again that has not taken all of its frame: a tick has several of them."""


POSTED_MAX_BYTES = 1 << 20
"""Announcements that wait for one client. Above it the connection is cut: the page comes back and loads everything."""


class FanOut:
    """Sends frames to rooms, and announcements to every accepted client. Nothing in it waits for a client.

    One thread calls it; `announce` may be called by any. A client that takes nothing of what waits for `stalled_s` seconds is cut.
    """

    def __init__(self, emitter: Emitter, metrics: WebMetrics, stalled_s: float) -> None:
        self._emitter = emitter
        self._metrics = metrics
        self._stalled_s = stalled_s
        self._outlets = Outlets()
        self._announced: deque[bytes] = deque()
        self._behind: dict[Outlet, Any] = {}
        self._direct = metrics.client_frames.labels("direct")
        self._queued = metrics.client_frames.labels("queued")

    def bind(self, outlets: Outlets) -> None:
        """Use these outlets from now on; without them everything is queued."""
        self._outlets = outlets

    def trust(self, engine_socket: Any) -> None:
        """Write to this client directly from now on: it has asked for something."""
        self._outlets.trust(engine_socket)

    def announce(self, event: str, data: Any) -> None:
        """Tell every accepted client, in order, at the next `send_announced`."""
        self._announced.append(event_payload(event, data))

    def send_announced(self, now_s: float) -> bool:
        """Send what was announced; tell whether there was anything."""
        payloads = [self._announced.popleft() for _ in range(len(self._announced))]
        if payloads:
            self._post(LIVE_ROOM, payloads, now_s)
        return bool(payloads)

    def tell(self, rooms: Iterable[str], event: str, data: Any, now_s: float) -> None:
        """Send an event to every client in some rooms; it is never left out, as what is announced is not."""
        payload = event_payload(event, data)
        for room in rooms:
            self._post(room, [payload], now_s)

    def _post(self, room: str, payloads: list[bytes], now_s: float) -> None:
        messages = b"".join(map(text_frame, payloads))
        packets = [queued_packet(payload) for payload in payloads]
        for socket in self._emitter.sockets(room):
            outlet = self._outlets.of(socket)
            if outlet is None:
                for packet in packets:
                    self._emitter.queue(socket, packet)
            elif outlet.post(messages, now_s):
                self._behind[outlet] = socket

    def send(self, room: str, frame: LiveFrame, now_s: float) -> None:
        """Send a frame to every client in a room."""
        direct = queued = 0
        for socket in self._emitter.sockets(room):
            outlet = self._outlets.of(socket)
            if outlet is None:
                self._emitter.queue(socket, frame.packet)
                queued += 1
                continue
            direct += 1
            if outlet.offer(frame, now_s):
                self._behind[outlet] = socket
        self._direct.inc(direct)
        self._queued.inc(queued)

    def catch_up(self, now_s: float) -> float | None:
        """Write what waits for clients that are behind; return when to call again, or None when nobody is."""
        for outlet, socket in list(self._behind.items()):
            is_behind = outlet.catch_up(now_s)
            if outlet.skipped:
                self._metrics.frames_skipped.inc(outlet.skipped)
                outlet.skipped = 0
            stalled_s, posted_bytes = outlet.stalled_s(now_s), outlet.posted_bytes
            if stalled_s > self._stalled_s or posted_bytes > POSTED_MAX_BYTES:
                self._emitter.cut(socket, stalled_s=round(stalled_s, 1), waiting_bytes=posted_bytes)
                outlet.cut()
                is_behind = False
            if not is_behind:
                del self._behind[outlet]
        return now_s + RETRY_S if self._behind else None
