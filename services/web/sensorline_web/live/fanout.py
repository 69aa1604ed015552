"""Hands a group's frame to each of its clients: straight to the socket where there is an outlet, else to Engine.IO's queue."""

from typing import Any

from sensorline_web.live.emitter import Emitter
from sensorline_web.live.engine import Outlets
from sensorline_web.live.liveframe import LiveFrame
from sensorline_web.live.outlet import Outlet
from sensorline_web.metrics import WebMetrics

RETRY_S = 0.01
"""How often a client is tried again that has not taken all of its frame: a tick has several of them."""


class FanOut:
    """Sends frames to rooms. One thread calls it; nothing in it waits for a client.

    A client that takes nothing for `stalled_s` seconds, while a frame waits for it, is cut.
    """

    def __init__(self, emitter: Emitter, metrics: WebMetrics, stalled_s: float) -> None:
        self._emitter = emitter
        self._metrics = metrics
        self._stalled_s = stalled_s
        self._outlets = Outlets()
        self._behind: dict[Outlet, Any] = {}
        self._direct = metrics.client_frames.labels("direct")
        self._queued = metrics.client_frames.labels("queued")

    def bind(self, outlets: Outlets) -> None:
        """Use these outlets from now on; without them everything is queued."""
        self._outlets = outlets

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
            outlet.catch_up(now_s)
            if outlet.skipped:
                self._metrics.frames_skipped.inc(outlet.skipped)
                outlet.skipped = 0
            stalled_s = outlet.stalled_s(now_s)
            if stalled_s > self._stalled_s:
                self._emitter.cut(socket, stalled_s=round(stalled_s, 1))
                outlet.cut()
            if not outlet.is_behind:
                del self._behind[outlet]
        return now_s + RETRY_S if self._behind else None
