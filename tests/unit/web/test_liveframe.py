"""A live frame says the same in every form, and its bytes on the wire are what RFC 6455 and Socket.IO ask for."""

import json

import pytest
from engineio.packet import Packet as EnginePacket
from socketio.packet import EVENT
from socketio.packet import Packet as SocketPacket
from tests.support.websocket_wire import TEXT, Frame, Frames

from sensorline_web.live.emitter import FastJson
from sensorline_web.live.liveframe import LiveFrame, text_frame

SERIES = [["desk", "température", [1_760_000_000_000, 1_760_000_000_000.5], [21.5, -0.1], 1]]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_message_of_any_length_is_one_frame_without_a_mask(length: int) -> None:
    payload = b"x" * length
    assert Frames().feed(text_frame(payload)) == [Frame(TEXT, payload)]


def test_the_finished_message_is_what_the_libraries_would_send() -> None:
    class Packet(SocketPacket):
        json = FastJson

    frame = LiveFrame(7, SERIES)
    text = Packet(EVENT, namespace="/livefeed", data=["frame", {"t": 7, "series": SERIES}]).encode()
    (sent,) = Frames().feed(frame.wire)
    assert sent.payload.decode() == EnginePacket(4, text).encode() == frame.packet.encode()


def test_after_a_gap_the_frame_says_so_and_nothing_else_is_different() -> None:
    frame = LiveFrame(7, SERIES)
    (plain,), (marked,) = Frames().feed(frame.wire), Frames().feed(frame.wire_after_gap)
    prefix = b"42/livefeed,"
    assert plain.payload.startswith(prefix)
    event, data = json.loads(plain.payload.removeprefix(prefix))
    assert json.loads(marked.payload.removeprefix(prefix)) == [event, data | {"missed": True}]


def test_a_frame_in_place_of_another_keeps_the_newest_of_each_series() -> None:
    older = LiveFrame(1, [["desk", "t", [3, 9, 5], [0.3, 0.9, 0.5], 1], ["hall", "t", [1, 2], [1.0, 2.0], 1]])
    newer = LiveFrame(2, [["hall", "t", [3, 4], [3.0, 4.0], 1]])
    (sent,) = Frames().feed(newer.over(older).wire)
    _, data = json.loads(sent.payload.removeprefix(b"42/livefeed,"))
    assert data == {"t": 2, "series": [["hall", "t", [3, 4], [3.0, 4.0], 1], ["desk", "t", [9], [0.9], 1]]}
    assert newer.over(older) is newer.over(older)
    assert newer.over(LiveFrame(1, [])).wire == newer.wire
