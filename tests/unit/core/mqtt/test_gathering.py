"""A trickle of messages comes together; the first after a pause, and a burst, at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.waiting import wait_until

from sensorline.mqtt.bulk import GATHER_ENOUGH, LEAD_S

GATHER_S = 20.0
"""Longer than any of these tests takes, unless something waits for all of it."""


@pytest.fixture
def trickle(talk: Any, publish: Any) -> Any:
    """A client that gathers, and delivered a first message some time ago."""
    talk.client.gather_s = GATHER_S
    talk.say([publish(b"a", b"first", 0, 0)])
    assert [[message[1] for message in messages] for messages in talk.lists] == [[b"first"]]
    talk.lists.clear()
    wait_until(
        lambda: time.monotonic() - talk.client._led_s > LEAD_S,
        5,
        "what belongs to the first message to be over",
    )
    return talk


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join()


def numbered(publish: Any, count: int) -> bytes:
    return b"".join(publish(b"a", b"%d" % n, 0, 0) for n in range(count))


def payloads(talk: Any) -> list[list[bytes]]:
    return [[message[1] for message in messages] for messages in talk.lists]


def test_a_burst_waits_for_nothing(trickle: Any, publish: Any) -> None:
    begun_s = time.monotonic()
    trickle.say([numbered(publish, GATHER_ENOUGH)])
    assert time.monotonic() - begun_s < GATHER_S / 2
    assert [len(messages) for messages in trickle.lists] == [GATHER_ENOUGH]


def test_what_is_close_behind_the_first_message_waits_for_nothing(talk: Any, publish: Any) -> None:
    talk.client.gather_s = GATHER_S
    begun_s = time.monotonic()
    talk.say([publish(b"a", b"first", 0, 0)])
    talk.client._led_s = time.monotonic()  # whatever this machine was busy with in between
    talk.say([publish(b"a", b"second", 0, 0)])
    assert payloads(talk) == [[b"first"], [b"second"]]
    assert time.monotonic() - begun_s < GATHER_S / 2


def test_the_wait_ends(trickle: Any, publish: Any) -> None:
    trickle.client.gather_s = 0.01
    trickle.say([publish(b"a", b"second", 0, 0)])
    assert payloads(trickle) == [[b"second"]]


def test_what_follows_soon_comes_together_and_acknowledgements_go_out_meanwhile(
    trickle: Any, publish: Any
) -> None:
    heard = []

    def give_more_for_an_acknowledgement() -> None:
        heard.append(trickle.broker.recv(100))
        trickle.broker.sendall(numbered(publish, GATHER_ENOUGH))

    trickle.broker.sendall(publish(b"a", b"second", 0, 0))
    trickle.client._thread = (
        threading.current_thread()
    )  # as in the network thread: packets are queued, not sent here
    trickle.client.send_pubacks([7])
    with meanwhile(give_more_for_an_acknowledgement):
        trickle.client.loop_read()
    assert heard == [b"\x40\x02\x00\x07"]
    assert [len(messages) for messages in trickle.lists] == [1 + GATHER_ENOUGH]


def test_what_came_before_the_connection_broke_is_delivered(trickle: Any, publish: Any) -> None:
    trickle.broker.sendall(publish(b"a", b"second", 0, 0))
    trickle.broker.close()
    assert trickle.client.loop_read() != 0
    assert payloads(trickle) == [[b"second"]]
    assert len(trickle.ends) == 1


def test_what_came_while_nobody_looked_has_received_times_of_its_own(trickle: Any, publish: Any) -> None:
    def one_by_one() -> None:
        trickle.broker.recv(100)
        trickle.broker.sendall(numbered(publish, GATHER_ENOUGH))

    before_ns = time.time_ns() // 10**6 * 10**6
    trickle.broker.sendall(publish(b"a", b"second", 0, 0))
    trickle.client._thread = (
        threading.current_thread()
    )  # as in the network thread: packets are queued, not sent here
    trickle.client.send_pubacks([7])
    with meanwhile(one_by_one):
        trickle.client.loop_read()
    times_ns = [message[4] for message in trickle.messages]
    assert times_ns == sorted(set(times_ns))
    assert all(time_ns % 10**6 == 0 for time_ns in times_ns)
    assert before_ns <= times_ns[0]
    assert times_ns[-1] <= time.time_ns()
