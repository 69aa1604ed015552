"""What the fallback broker keeps for a session, seen by plain paho clients.

MQTT 3.1.1: session state 3.1.2.4, retain flag 3.3.1.3, message delivery retry 4.4, message ordering 4.6.
"""

import importlib.metadata
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.support import wire
from tests.support.brokers import Amqtt
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.waiting import stays_true, wait_until

from sensorline.up.amqtt_backlog import IN_FLIGHT, Backlog, Message

DEADLINE_S = 10.0
INGESTS_BATCH = 5_000


class Got(NamedTuple):
    """One message as it came: the packet identifier is 0 with QoS 0."""

    payload: bytes
    packet_id: int
    is_again: bool
    is_retained: bool


class Session:
    """A paho client with a session that the broker keeps, which acknowledges nothing by itself."""

    def __init__(self, port: int, client_id: str, *, clean: bool = False) -> None:
        self.got: list[Got] = []
        self.was_present = False
        self._subscribed = threading.Event()
        self._gone = threading.Event()
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean, manual_ack=True
        )
        self._paho.on_connect = self._connected
        self._paho.on_message = self._message
        self._paho.on_subscribe = lambda *_: self._subscribed.set()
        self._paho.on_disconnect = self._disconnected
        self._paho.connect("127.0.0.1", port)
        self._paho.loop_start()
        wait_until(self._paho.is_connected, DEADLINE_S, "CONNACK")

    def _connected(self, _client: Any, _data: Any, flags: paho.ConnectFlags, *_: Any) -> None:
        self.was_present = flags.session_present

    def _disconnected(self, *_: Any) -> None:
        # Otherwise paho comes back by itself; here a test says when.
        self._paho.disconnect()
        self._gone.set()

    def _message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.got.append(Got(bytes(message.payload), message.mid, message.dup, message.retain))

    def subscribe(self, topic_filter: str, qos: int = 1) -> "Session":
        """Subscribe and wait for SUBACK."""
        self._subscribed.clear()
        self._paho.subscribe(topic_filter, qos)
        assert self._subscribed.wait(DEADLINE_S), "no SUBACK"
        return self

    def wait_for(self, count: int) -> list[Got]:
        """Return what came when it is `count` messages."""
        wait_until(
            lambda: len(self.got) >= count, DEADLINE_S, lambda: f"{count} messages; {len(self.got)} came"
        )
        return list(self.got)

    def acknowledge(self, messages: Sequence[Got]) -> None:
        """Send PUBACKs, and return when the broker has read them: it answers in order."""
        for message in messages:
            self._paho.ack(message.packet_id, 1)
        self.subscribe("nothing/here")

    def wait_until_cut(self) -> None:
        """Return when the broker has closed the connection."""
        assert self._gone.wait(DEADLINE_S), "the broker keeps the connection"
        self._paho.loop_stop()

    def die(self) -> None:
        """End as a killed program does: the connection is closed without DISCONNECT."""
        connection = self._paho.socket()
        assert connection is not None
        connection.shutdown(socket.SHUT_RDWR)
        self._paho.loop_stop()

    def leave(self) -> None:
        """Disconnect in order."""
        self._paho.disconnect()
        self._paho.loop_stop()


@pytest.fixture(scope="module")
def amqtt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amqtt]:
    """One broker for all tests here, which has said nothing when they are over."""
    broker = Amqtt(tmp_path_factory.mktemp("amqtt"))
    broker.start()
    yield broker
    broker.stop()
    assert broker.output() == ""


@pytest.fixture
def name() -> str:
    """A client identifier, and topic, of the test's own."""
    return unique("kept")


Publish = Callable[..., None]


@pytest.fixture
def publish(amqtt: Amqtt) -> Publish:
    """Publish payloads with PUBACK, and disconnect at once: `publish(topic, payloads, retain=False)`."""

    def publish(topic: str, payloads: Sequence[bytes], *, retain: bool = False) -> None:
        with Client(amqtt.port) as client:
            for info in [client.send(topic, payload, retain=retain) for payload in payloads]:
                info.wait_for_publish(DEADLINE_S)

    return publish


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % n for n in range(first, last)]


def test_amqtt_is_the_version_that_the_overrides_are_for() -> None:
    assert importlib.metadata.version("amqtt") == "0.12.1"


def test_messages_for_an_absent_session_wait_in_order(amqtt: Amqtt, name: str, publish: Publish) -> None:
    Session(amqtt.port, name).subscribe(f"{name}/#").die()
    publish(f"{name}/a", numbered(0, 300))
    # amqtt looks once a second for sessions to forget; this one has to live through that.
    time.sleep(1.2)
    publish(f"{name}/b", numbered(300, 500))
    back = Session(amqtt.port, name)
    assert back.was_present
    got = back.wait_for(500)
    assert [m.payload for m in got] == numbered(0, 500)
    assert not any(m.is_again or m.is_retained for m in got)
    back.leave()


def test_what_was_under_way_comes_again_first_with_dup_under_its_identifier(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    before = Session(amqtt.port, name).subscribe(name)
    publish(name, numbered(0, 20))
    first = before.wait_for(20)
    before.acknowledge(first[:5])
    before.die()
    publish(name, numbered(20, 23))

    again = Session(amqtt.port, name)
    got = again.wait_for(18)
    assert got[:15] == [m._replace(is_again=True) for m in first[5:]]
    assert [m.payload for m in got[15:]] == numbered(20, 23)
    assert not any(m.is_again for m in got[15:])
    assert not {m.packet_id for m in got[15:]} & {m.packet_id for m in first}
    again.acknowledge(got)
    again.leave()

    last = Session(amqtt.port, name)
    publish(name, [b"last"])
    assert [m.payload for m in last.wait_for(1)] == [b"last"], "an acknowledged message came again"
    last.leave()


def test_only_what_was_kept_for_new_subscribers_has_the_retain_flag(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    publish(name, [b"kept"], retain=True)
    session = Session(amqtt.port, name).subscribe(name)
    publish(name, [b"live"], retain=True)
    assert [(m.payload, m.is_retained) for m in session.wait_for(2)] == [(b"kept", True), (b"live", False)]
    session.acknowledge(session.got)
    session.leave()
    publish(name, [b"while away"], retain=True)
    back = Session(amqtt.port, name)
    assert [(m.payload, m.is_retained) for m in back.wait_for(1)] == [(b"while away", False)]
    back.subscribe(name)
    assert [(m.payload, m.is_retained) for m in back.wait_for(2)[1:]] == [(b"while away", True)]
    back.leave()
    publish(name, [b""], retain=True)


def test_seven_seconds_without_puback_change_nothing_and_hold_up_no_qos_0(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    """As when ingest's store is down: it acknowledges nothing, and asks with QoS 0 whether the broker lives."""
    assert IN_FLIGHT >= 2 * INGESTS_BATCH
    session = Session(amqtt.port, name).subscribe(name).subscribe(f"{name}/canary", 0)
    publish(name, numbered(0, IN_FLIGHT + 20))
    held = session.wait_for(IN_FLIGHT)
    publish(f"{name}/canary", [b"canary"])
    session.wait_for(IN_FLIGHT + 1)
    assert session.got.pop() == Got(b"canary", 0, False, False)
    stays_true(lambda: len(session.got) == IN_FLIGHT, 7, "nothing comes that nobody made room for")
    session.acknowledge(held)
    rest = session.wait_for(IN_FLIGHT + 20)[IN_FLIGHT:]
    assert [m.payload for m in held + rest] == numbered(0, IN_FLIGHT + 20)
    assert not any(m.is_again for m in held + rest)
    session.die()
    back = Session(amqtt.port, name)
    publish(name, [b"last"])
    assert back.wait_for(21)[:20] == [m._replace(is_again=True) for m in rest]
    assert back.got[20].payload == b"last"
    back.leave()


def test_a_client_that_connects_again_ends_its_older_connection(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    older = Session(amqtt.port, name).subscribe(name)
    publish(name, [b"owed"])
    owed = older.wait_for(1)
    newer = Session(amqtt.port, name)
    older.wait_until_cut()
    publish(name, [b"new"])
    assert newer.wait_for(2)[0] == owed[0]._replace(is_again=True)
    assert newer.got[1].payload == b"new"
    newer.leave()


def test_a_client_that_stands_still_does_not_keep_its_successor_out(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    large = [bytes([n]) * 1_000_000 for n in range(20)]
    Session(amqtt.port, name).subscribe(name).leave()
    with socket.create_connection(("127.0.0.1", amqtt.port)) as still:
        # CONNECT with a session that is kept: the flags of wire.connect() ask for a clean one.
        still.sendall(wire.connect(name.encode()).replace(b"\x04\x02\x00\x3c", b"\x04\x00\x00\x3c"))
        assert still.recv(4)[:1] == b"\x20"
        publish(name, large)
        begun_s = time.monotonic()
        successor = Session(amqtt.port, name)
        assert time.monotonic() - begun_s < 3
        assert [m.payload for m in successor.wait_for(20)] == large
        successor.leave()


def test_a_clean_session_is_owed_nothing_and_ends_a_kept_one(
    amqtt: Amqtt, name: str, publish: Publish
) -> None:
    Session(amqtt.port, name).subscribe(name).leave()
    publish(name, [b"for the kept one"])
    clean = Session(amqtt.port, name, clean=True).subscribe(name)
    clean.die()
    publish(name, [b"while away"])
    kept = Session(amqtt.port, name)
    assert not kept.was_present
    kept.subscribe(name)
    publish(name, [b"live"])
    assert [m.payload for m in kept.wait_for(1)] == [b"live"]
    kept.leave()


@pytest.mark.parametrize("limits", [{"max_waiting": 3}, {"max_bytes": 3 * 4}])
def test_a_full_backlog_drops_what_is_new_and_says_so_once_each_time(
    limits: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    backlog = Backlog("ingest", **limits)

    def fill_and_empty() -> list[bytes]:
        for n in range(6):
            backlog.add(Message("t", b"no%d" % n, False))
        payloads = []
        for packet in iter(backlog.next_packet, None):
            payloads.append(packet[-3:])
            backlog.acknowledge(int.from_bytes(packet[-5:-3], "big"))
        return payloads

    with caplog.at_level(logging.ERROR):
        assert fill_and_empty() == [b"no0", b"no1", b"no2"]
        assert len(caplog.messages) == 1
        assert "'ingest'" in caplog.text
        assert fill_and_empty() == [b"no0", b"no1", b"no2"]
        assert len(caplog.messages) == 2


def test_an_identifier_that_is_under_way_is_not_given_out_again() -> None:
    backlog = Backlog("ingest", in_flight=2)

    def send() -> int:
        backlog.add(Message("t", b"", False))
        packet = backlog.next_packet()
        assert packet is not None
        return int.from_bytes(packet[-2:], "big")

    assert send() == 1
    for packet_id in range(2, 65_536):
        assert send() == packet_id
        backlog.acknowledge(packet_id)
    assert send() == 2
