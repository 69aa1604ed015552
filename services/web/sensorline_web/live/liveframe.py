"""One frame of a group in the forms that its clients need; each form is made once, when the first client needs it. Pure."""

from functools import cached_property
from typing import Any

import msgspec
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket

NAMESPACE = "/livefeed"

_PREFIX = f'42{NAMESPACE},["frame",'.encode()

_FINAL_TEXT = 0x81
_LENGTH_16 = 126
_LENGTH_64 = 127


def text_frame(payload: bytes) -> bytes:
    """Return one whole WebSocket text message as a server sends it: a single frame, not masked (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < _LENGTH_16:
        return bytes((_FINAL_TEXT, length)) + payload
    if length < 1 << 16:
        return bytes((_FINAL_TEXT, _LENGTH_16)) + length.to_bytes(2, "big") + payload
    return bytes((_FINAL_TEXT, _LENGTH_64)) + length.to_bytes(8, "big") + payload


def event_payload(event: str, data: Any) -> bytes:
    """Return an event as text: Engine.IO message (4), Socket.IO event (2), namespace (Engine.IO protocol 4, Socket.IO protocol 5)."""
    return f"42{NAMESPACE},".encode() + msgspec.json.encode([event, data])


def queued_packet(payload: bytes) -> EnginePacket:
    """Return the same for Engine.IO's queue, which adds the 4 itself."""
    return EnginePacket(MESSAGE, payload[1:].decode())


class LiveFrame:
    """The live event `frame`: `time_ms` is when it was made, `series` its columns."""

    def __init__(self, time_ms: int, series: list[list[Any]]) -> None:
        self._time_ms = time_ms
        self._series = series
        self._over: tuple[LiveFrame, LiveFrame] | None = None

    def over(self, older: "LiveFrame") -> "LiveFrame":
        """Return this frame in place of an older one that is not sent: with the newest reading of each series that only that one has.

        Clients that fell behind at the same time share what is returned.
        """
        if self._over is None or self._over[0] is not older:
            named = {(device, metric) for device, metric, *_ in self._series}
            kept = [entry for entry in older._series if (entry[0], entry[1]) not in named]
            self._over = older, LiveFrame(self._time_ms, self._series + [_newest(*entry) for entry in kept])
        return self._over[1]

    @cached_property
    def wire(self) -> bytes:
        """The finished WebSocket message."""
        return text_frame(self._payload)

    @cached_property
    def wire_after_gap(self) -> bytes:
        """The same for a client that did not get the frame before: `"missed":true` tells it to load what it lacks."""
        head, tail = self._payload[: len(_PREFIX) + 1], self._payload[len(_PREFIX) + 1 :]
        return text_frame(head + b'"missed":true,' + tail)

    @cached_property
    def packet(self) -> EnginePacket:
        """The same for Engine.IO's queue."""
        return queued_packet(self._payload)

    @cached_property
    def _payload(self) -> bytes:
        return event_payload("frame", {"t": self._time_ms, "series": self._series})


def _newest(device: str, metric: str, times: list[Any], values: list[float], own: int) -> list[Any]:
    at = max(range(len(times)), key=times.__getitem__)
    return [device, metric, [times[at]], [values[at]], own]
