"""The bulk reader: whatever pieces the network cuts the stream into, exactly the messages come out."""

import itertools
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorline.mqtt import packets

PINGRESP = b"\xd0\x00"
PUBACK = b"\x40\x02\x00\x01"
SUBACK = b"\x90\x03\x00\x01\x00"
OTHERS = [PINGRESP, PUBACK, SUBACK]

Message = tuple[bytes, bytes, int, int]


@st.composite
def messages(draw: st.DrawFn) -> Message:
    topic = draw(st.binary(min_size=1, max_size=30))
    payload = draw(st.binary(max_size=150))
    qos = draw(st.integers(0, 1))
    flags = draw(st.sampled_from([0, 1])) | qos << 1 | (draw(st.sampled_from([0, 8])) if qos else 0)
    return topic, payload, draw(st.integers(1, 65_535)) if qos else 0, flags


_STREAMS = st.lists(messages() | st.sampled_from(OTHERS), max_size=25)
_PADDINGS = st.lists(st.sampled_from([0, 0, 0, 100, 300, 16_370, 16_400]), min_size=25, max_size=25)
"""How many more bytes each payload has; small in print when an example fails."""


def padded(stream: list[Message | bytes], paddings: list[int]) -> list[Message | bytes]:
    return [
        item if isinstance(item, bytes) else (item[0], item[1] + b"x" * padding, *item[2:])
        for item, padding in zip(stream, paddings, strict=False)
    ]


def cut(wire: bytes, places: list[float]) -> list[bytes]:
    borders = [0, *sorted(int(p * len(wire)) for p in places), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(borders) if a < b]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STREAMS, _PADDINGS, st.lists(st.floats(0, 1), max_size=30))
def test_any_stream_cut_anywhere_gives_exactly_its_messages(
    talk: Any, publish: Any, stream: list[Message | bytes], paddings: list[int], places: list[float]
) -> None:
    stream = padded(stream, paddings)
    talk.lists.clear()
    wire = b"".join(item if isinstance(item, bytes) else publish(*item) for item in stream)
    before_ns = time.time_ns() // 10**6 * 10**6
    talk.say(cut(wire, places))
    expected = [item for item in stream if not isinstance(item, bytes)]
    assert [message[:4] for message in talk.messages] == expected
    for *_, received_ns in talk.messages:
        assert received_ns % 10**6 == 0
        assert before_ns <= received_ns <= time.time_ns()
    assert talk.ends == []


def test_a_stream_that_comes_byte_by_byte_is_read(talk: Any, publish: Any) -> None:
    expected = [(b"a/b", b"x" * size, 7, 2) for size in (0, 1, 119, 120, 121, 200)]
    wire = PINGRESP.join(publish(*m) for m in expected) + SUBACK
    talk.say([wire[i : i + 1] for i in range(len(wire))])
    assert [message[:4] for message in talk.messages] == expected


@pytest.mark.parametrize("remaining", [3, 126, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152])
@pytest.mark.parametrize("is_cut", [False, True])
def test_every_size_of_remaining_length_is_read(
    talk: Any, publish: Any, remaining: int, is_cut: bool
) -> None:
    first = (b"a", b"p" * (remaining - 3), 0, 0)
    second = (b"b", b"q", 5, 2)
    wire = publish(*first) + PINGRESP + publish(*second)
    header_end = 2 + (remaining > 127) + (remaining > 16_383) + (remaining > 2_097_151)
    assert len(publish(*first)) == header_end + remaining
    # Cut inside the length, after it, one byte before the end, inside the next header.
    borders = [
        0,
        *range(1, header_end + 1),
        header_end + remaining - 1,
        header_end + remaining + 3,
        len(wire),
    ]
    pieces = [wire[a:b] for a, b in itertools.pairwise(borders)] if is_cut else [wire]
    talk.say(pieces)
    assert [message[:4] for message in talk.messages] == [first, second]


def test_many_messages_in_one_read_are_one_list(talk: Any, publish: Any) -> None:
    talk.say([publish(b"a/b", b"1", 0, 0) * 2_000])
    assert len(talk.lists) <= 3
    assert len(talk.messages) == 2_000


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STREAMS, _PADDINGS)
def test_pahos_own_reader_reads_the_same(
    talk: Any, single_talk: Any, publish: Any, stream: list[Message | bytes], paddings: list[int]
) -> None:
    stream = padded(stream, paddings)
    # paho decodes topics at once; ours are bytes until the decoders see them.
    stream = [s if isinstance(s, bytes) else (b"t/" + s[0].hex().encode(), *s[1:]) for s in stream]
    wire = b"".join(item if isinstance(item, bytes) else publish(*item) for item in stream)
    talk.lists.clear()
    single_talk.singles.clear()
    talk.say([wire])
    for item in stream:
        single_talk.say([item if isinstance(item, bytes) else publish(*item)])
    flags = [(m.dup << 3) | (m.qos << 1) | m.retain for m in single_talk.singles]
    assert [message[:4] for message in talk.messages] == [
        (m.topic.encode(), m.payload, m.mid, f) for m, f in zip(single_talk.singles, flags, strict=True)
    ]


@st.composite
def wires(draw: st.DrawFn, publish: Any) -> bytes:
    """A stream of packets, in half of the cases with some of its bytes replaced, put in or left out."""
    stream = draw(st.lists(messages() | st.sampled_from(OTHERS), max_size=8))
    wire = b"".join(
        s if isinstance(s, bytes) else publish(b"t/" + s[0].hex().encode(), *s[1:]) for s in stream
    )
    for _ in range(draw(st.integers(0, 3)) if draw(st.booleans()) else 0):
        at = draw(st.integers(0, len(wire)))
        wire = wire[:at] + draw(st.binary(max_size=3)) + wire[at + draw(st.integers(0, 3)) :]
    return wire


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.lists(st.floats(0, 1), max_size=12))
def test_any_bytes_cut_anywhere_give_what_pahos_own_reader_gives(
    talk: Any, single_talk: Any, publish: Any, data: st.DataObject, places: list[float]
) -> None:
    wire = data.draw(wires(publish))
    for one in (talk, single_talk):
        one.connect()
        one.lists.clear()
        one.singles.clear()
    talk.say(cut(wire, places))
    single_ended = False
    try:
        # In one piece: a header of 0 with a pause behind it makes paho lose its place.
        single_talk.say([wire])
    except Exception:  # noqa: BLE001 - whatever paho raises
        # What paho has no word for ends its thread; ours ends the connection.
        single_ended = True
    singles = [
        (m._topic, m.payload, m.mid, (m.dup << 3) | (m.qos << 1) | m.retain) for m in single_talk.singles
    ]
    # The one difference: paho hands over QoS 1 messages with packet identifier 0, which nobody could acknowledge.
    zero = next((n for n, m in enumerate(singles) if m[3] & 0x06 == 0x02 and not m[2]), None)
    assert [m[:4] for m in talk.messages] == [m for m in singles[:zero] if m[3] & 0x06 < 4]
    assert [m.payload for m in talk.singles] == [m[1] for m in singles[:zero] if m[3] & 0x06 == 4]
    single_ended = single_ended or single_talk.client.socket() is None or zero is not None
    assert (talk.client.socket() is None) == single_ended


def test_a_qos_2_message_goes_through_paho_once(talk: Any, publish: Any) -> None:
    packet = publish(b"a/b", b"21.5", 9, 4)
    talk.hears()
    talk.say([publish(b"x", b"1", 0, 0) + packet + packet + publish(b"y", b"2", 3, 2)])
    assert talk.hears() == b"\x50\x02\x00\x09" * 2
    talk.say([b"\x62\x02\x00\x09"])
    assert [(m.topic, m.payload, m.qos) for m in talk.singles] == [("a/b", b"21.5", 2)]
    assert [message[0] for message in talk.messages] == [b"x", b"y"]


def test_pubacks_go_out_in_order_as_one_write_and_not_by_themselves(talk: Any, publish: Any) -> None:
    talk.hears()
    talk.say([publish(b"a/b", b"1", i, 2) for i in (1, 65_535, 300)])
    assert talk.hears() == b""
    talk.client.send_pubacks([1, 65_535, 300])
    talk.client.send_pubacks([])
    assert talk.hears() == b"\x40\x02\x00\x01\x40\x02\xff\xff\x40\x02\x01\x2c"


@given(st.lists(st.integers(1, 65_535), max_size=300))
def test_pubacks_of_any_identifiers_are_as_the_specification_has_them(ids: list[int]) -> None:
    assert packets.pubacks(ids) == b"".join(b"\x40\x02" + i.to_bytes(2, "big") for i in ids)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(0, 300)), max_size=20))
def test_publishes_made_in_bulk_are_read_as_they_were_given(given: list[tuple[str, int]]) -> None:
    pairs = [(topic, b"x" * size) for topic, size in given]
    wire = packets.publishes([*pairs, ("t" * 65_536, b"no room for this topic")])
    messages: list[Any] = []
    assert packets.split(wire, 5, messages, lambda packet: False) == (len(wire), 2)
    assert messages == [(topic.encode(), payload, 0, 0, 5) for topic, payload in pairs]


MALFORMED = {
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a length of five bytes in another packet": b"\x90\x80\x80\x80\x80\x00",
    "a PUBLISH of nothing": b"\x30\x00",
    "a PUBLISH of one byte": b"\x30\x01\x00",
    "an empty topic": b"\x32\x05\x00\x00\x00\x07x",
    "an empty topic at QoS 0": b"\x30\x03\x00\x00x",
    "packet identifier 0": b"\x32\x05\x00\x01a\x00\x00",
    "a topic longer than its packet": b"\x30\x04\x00\x03ab",
    "no room for the packet identifier": b"\x32\x04\x00\x01a\x00",
    "QoS 3": b"\x36\x05\x00\x01a\x00\x01",
    "packet type 0": b"\x00\x00",
    "packet type 15": b"\xf0\x00",
    "a CONNECT from the broker": b"\x10\x00",
    "a PINGRESP with a body": b"\xd0\x01\x00",
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED.keys())
def test_bytes_that_are_not_mqtt_end_the_connection_and_what_came_before_is_kept(
    talk: Any, publish: Any, bad: bytes
) -> None:
    good = (b"a/b", b"21.5", 7, 2)
    talk.say([publish(*good) + bad + publish(b"behind", b"1", 0, 0)])
    assert talk.client.socket() is None
    assert [message[:4] for message in talk.messages] == [good]
    assert len(talk.ends) == 1
    assert talk.ends[0].is_failure
    talk.connect()
    talk.say([publish(b"again", b"1", 0, 0)])
    assert talk.messages[-1][0] == b"again"


def test_half_a_packet_of_an_old_connection_is_forgotten(talk: Any, publish: Any) -> None:
    packet = publish(b"a/b", b"x" * 500, 7, 2)
    talk.say([packet[:100]])
    talk.broker.close()
    talk._read()
    assert len(talk.ends) == 1
    talk.connect()
    talk.say([packet[:1], packet[1:]])
    assert [message[:4] for message in talk.messages] == [(b"a/b", b"x" * 500, 7, 2)]


def test_a_broker_that_hangs_up_is_noticed_after_its_last_message(talk: Any, publish: Any) -> None:
    talk.broker.sendall(publish(b"a", b"last", 0, 0))
    talk.broker.close()
    talk._read()
    assert [message[1] for message in talk.messages] == [b"last"]
    assert len(talk.ends) == 1
