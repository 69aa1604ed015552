"""Publishers that break MQTT itself or flood it: what the broker lets through is stored or kept, and ingest lives.

Numbers as in tests/support/bad_input.py. What a broker does with a malformed packet is its own affair (Mosquitto closes
the connection); what counts here is that ingest stores the reading that follows.
"""

import json
import socket
from collections.abc import Iterator

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored, wire
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import stays_true, wait_until

pytestmark = pytest.mark.mosquitto

_TOPIC = b"sensors/raw/m"
_BOM = "\ufeff".encode()


def _user_property(name: bytes, value: bytes) -> bytes:
    return b"\x26" + wire.field(name) + wire.field(value)


HOSTILE: dict[str, tuple[int, bytes]] = {
    "41-sys-topic": (4, wire.publish(b"$SYS/x", b"1")),
    "41-share-topic": (4, wire.publish(b"$share/g/sensors/raw/m", b"1")),
    "41-250-levels": (4, wire.publish(b"sensors/" + b"/".join([b"a"] * 250), b"1")),
    "42-plus-in-topic": (4, wire.publish(b"sensors/+/m", b"1")),
    "42-hash-in-topic": (4, wire.publish(b"sensors/#", b"1")),
    "43-topic-not-utf8": (4, wire.publish(b"sensors/\xff\xfe/m", b"1")),
    "43-topic-nul": (4, wire.publish(b"sensors/a\x00b/m", b"1")),
    "43-topic-surrogate": (4, wire.publish(b"sensors/\xed\xa0\x80/m", b"1")),
    "45-qos-3": (4, wire.publish(_TOPIC, b"1", flags=0x06, packet_id=1)),
    "45-packet-id-0": (4, wire.publish(_TOPIC, b"1", flags=0x02, packet_id=0)),
    "46-unknown-property": (5, wire.publish(_TOPIC, b"1", properties=b"\x7f\x01")),
    "46-topic-alias-0": (5, wire.publish(_TOPIC, b"1", properties=b"\x23\x00\x00")),
    "47-promises-256-mb": (4, b"\x30\xff\xff\xff\x7f" + wire.field(_TOPIC) + b"1"),
    "48-garbage": (4, b"GET / HTTP/1.1\r\n\r\n"),
    "48-second-connect": (4, wire.connect(b"again")),
    "48-connack": (4, b"\x20\x02\x00\x00"),
}

PASSED_ON: dict[str, tuple[int, bytes, float]] = {
    "45-qos-2": (4, wire.publish(_TOPIC, b"45.5", flags=0x04, packet_id=7) + b"\x62\x02\x00\x07", 45.5),
    "46-byte-order-mark-in-property": (
        5,
        wire.publish(_TOPIC, b"46.5", properties=_user_property(_BOM, _BOM)),
        46.5,
    ),
    "46-10000-user-properties": (
        5,
        wire.publish(_TOPIC, b"46.25", properties=_user_property(b"a", b"b") * 10_000),
        46.25,
    ),
}

CLIENTS: dict[str, tuple[bytes, bytes | None]] = {
    "49-plus-and-hash": (b"a+b#c", b"u+s#r"),
    "49-percent-u": (b"%u", b"%u"),
    "49-64-kb-id": (b"i" * 65_535, None),
    "49-empty-id": (b"", None),
    "49-id-not-utf8": (b"\xff\xfe", None),
}


@pytest.fixture
def ingest(mosquitto: Broker, make_ingest: MakeIngest) -> Iterator[Ingest]:
    """A ready ingest; afterwards it is the same process, it was never disconnected, and it stores a reading."""
    ingest = make_ingest(mosquitto).start_ready()
    pid = ingest.pid
    yield ingest
    after = unique("after")
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{after}/m", "1.5")
    wait_until(lambda: after in stored.devices(ingest.store), 10, "a good reading to be stored afterwards")
    assert (ingest.pid, ingest.is_running) == (pid, True)
    assert "mqtt_disconnected" not in ingest.output()


def _talk(port: int, hello: bytes, packets: bytes) -> None:
    """Connect, send, and wait until the broker has read it: it closes, or answers a ping."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        try:
            connection.sendall(hello)
            if not connection.recv(64):
                return
            connection.sendall(packets + b"\xc0\x00")
            # A packet that was only promised swallows the ping: then there is no answer to wait for.
            connection.settimeout(0.3)
            while connection.recv(64)[-2:] not in (b"", b"\xd0\x00"):
                pass
        except (ConnectionError, TimeoutError):
            return


def test_packets_that_break_the_protocol_reach_nobody(mosquitto: Broker, ingest: Ingest) -> None:
    for id_, (level, packets) in HOSTILE.items():
        _talk(mosquitto.port, wire.connect(unique("raw").encode(), level=level), packets)
        assert ingest.is_running, id_
    assert (stored.points(ingest.store), stored.dead_letters(ingest.store)) == ([], [])


def test_unusual_packets_that_keep_the_protocol_are_readings(mosquitto: Broker, ingest: Ingest) -> None:
    """F28: among them a property with U+FEFF, which kills subscribers that speak MQTT 5."""
    for level, packets, _ in PASSED_ON.values():
        _talk(mosquitto.port, wire.connect(unique("raw").encode(), level=level), packets)
    expected = {value for *_, value in PASSED_ON.values()}
    wait_until(
        lambda: {value for *_, value in stored.points(ingest.store)} == expected,
        5,
        lambda: f"{expected}; there is {stored.points(ingest.store)}",
    )
    assert stored.dead_letters(ingest.store) == []


def test_clients_with_strange_names_harm_nobody(mosquitto: Broker, ingest: Ingest) -> None:
    """What they publish is stored as far as the broker accepts them: ingest never sees who published."""
    for client_id, username in CLIENTS.values():
        _talk(mosquitto.port, wire.connect(client_id, username=username), wire.publish(_TOPIC, b"1"))
    # The reading that follows is stored after them: everything that the broker accepted is there by then.
    assert stored.dead_letters(ingest.store) == []


def test_clearing_a_retained_topic_is_no_reading_and_does_not_come_back(
    mosquitto: Broker, ingest: Ingest
) -> None:
    """Case 44. To those who are subscribed, MQTT 3.1.1 shows the empty message like any other: it is kept as a reject."""
    device = unique("cleared")
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{device}/m", "1.5", retain=True)
        client.publish(f"sensors/{device}/m", b"", retain=True)
    wait_until(lambda: stored.dead_letters(ingest.store), 5, "the empty message")
    assert [letter.reason for letter in stored.dead_letters(ingest.store)] == ["payload_empty"]
    assert [value for *_, value in stored.points(ingest.store)] == [1.5]


def test_a_device_that_invents_names_fills_neither_the_store_nor_the_way_of_others(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    ingest = make_ingest(mosquitto, INGEST_MAX_METRICS_PER_DEVICE=100).start_ready()
    inventor, other = unique("inventor"), unique("other")
    with Client(mosquitto.port) as client:
        for n in range(10_000):
            client.send(f"sensors/{inventor}/m{n}", "1")
        client.publish(f"sensors/{other}/m", "1")
    wait_until(
        lambda: len(stored.dead_letters(ingest.store)) == 9_900 and stored.count(ingest.store) == 101,
        15,
        lambda: (
            f"101 readings and 9,900 rejects; {ingest.metric('sensorline_ingest_messages_rejected_total')}"
        ),
        every_s=0.2,
    )
    assert {letter.reason for letter in stored.dead_letters(ingest.store)} == {"too_many_metrics"}


def test_ingest_subscribed_to_everything_does_not_answer_its_own_messages(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    """INGEST_TOPICS=#: its own announcements, confirmations and status come back; a reject must not beget a reject."""
    ingest = make_ingest(mosquitto, INGEST_TOPICS="#").start_ready()
    device = unique("loop")
    with Client(mosquitto.port, filters=["sensorline/rejected/#"]) as client:
        client.publish("elsewhere/x", "1")
        client.publish(f"sensors/{device}/m", json.dumps({"value": 1, "seq": 1}))
        wait_until(lambda: client.received, 5, "the reject of elsewhere/x to be announced")
        wait_until(lambda: stored.count(ingest.store) == 1, 5, "the reading")
        stays_true(
            lambda: len(stored.dead_letters(ingest.store)) == 1 and len(client.received) == 1,
            1.0,
            "there is one reject, announced once",
        )
