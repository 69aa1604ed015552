"""acks/<device>: what a device hears after the commit, and never before it."""

import json
import sqlite3

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.waiting import stays_true, wait_until


def _body(seq: int | None, value: float = 1.5) -> str:
    return json.dumps({"value": value} | ({} if seq is None else {"seq": seq}))


def _seqs(acks: list[dict[str, list[list[int]]]]) -> set[int]:
    return {seq for ack in acks for first, last in ack["stored"] for seq in range(first, last + 1)}


def test_a_device_hears_the_ranges_that_are_stored_and_only_its_own(
    broker: Broker, make_ingest: MakeIngest
) -> None:
    first, second = unique("first"), unique("second")
    ingest = make_ingest(broker, INGEST_LINGER_MS=500).start_ready()
    with Client(broker.port, filters=["acks/#"]) as client:
        for seq in (1, 2, 3, 5, 9, 8):
            client.send(f"sensors/{first}/m", _body(seq, seq))
        client.send(f"sensors/{first}/m", _body(None))
        client.send(f"sensors/{first}/m", '{"value":"broken","seq":4}')
        client.publish(f"sensors/{second}", '{"temperature":20,"humidity":40,"seq":7}')
        wait_until(
            lambda: _seqs(client.json_of(f"acks/{first}")) == {1, 2, 3, 4, 5, 8, 9},
            5,
            "the first's confirmations",
        )
        wait_until(lambda: _seqs(client.json_of(f"acks/{second}")) == {7}, 5, "the second's confirmation")
        # Number 4 is a dead letter: it is durable too, and would be rejected again if it were sent again.
        # They came in one batch: ascending ranges, ends included, each number once.
        assert client.json_of(f"acks/{first}") == [{"stored": [[1, 5], [8, 9]]}]
        assert client.json_of(f"acks/{second}") == [{"stored": [[7, 7]]}]
    assert stored.count(ingest.store) == 9


def test_what_is_sent_twice_is_confirmed_twice_and_stored_once(
    broker: Broker, make_ingest: MakeIngest
) -> None:
    """F3: a device that did not hear of it sends again. A device whose confirmation got lost sends again, and must be told again."""
    device = unique("again")
    ingest = make_ingest(broker).start_ready()
    body = json.dumps({"value": 1.5, "ts": 1_790_000_000_000, "seq": 3})
    with Client(broker.port, filters=[f"acks/{device}"]) as client:
        client.publish(f"sensors/{device}/m", body)
        wait_until(lambda: len(client.json_of(f"acks/{device}")) == 1, 5, "the confirmation")
        client.publish(f"sensors/{device}/m", body)
        wait_until(lambda: len(client.json_of(f"acks/{device}")) == 2, 5, "the confirmation once more")
    assert stored.count(ingest.store) == 1


@pytest.mark.mosquitto
def test_nothing_is_confirmed_or_announced_before_the_commit(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("held")
    ingest = make_ingest(mosquitto).start_ready()
    other_writer = sqlite3.connect(ingest.store, isolation_level=None)
    other_writer.execute("BEGIN IMMEDIATE")
    with Client(mosquitto.port, filters=[f"acks/{device}", "sensorline/rejected/#"]) as client:
        client.publish(f"sensors/{device}/m", _body(1))
        client.publish(f"sensors/{device}/m", "bad")
        stays_true(lambda: not client.received, 1.0, "nothing is said while nothing is stored")
        other_writer.execute("ROLLBACK")
        other_writer.close()
        wait_until(lambda: len(client.received) == 2, 10, "confirmation and announcement after the commit")
        assert client.json_of(f"acks/{device}") == [{"stored": [[1, 1]]}]
        (announced,) = client.json_of(f"sensorline/rejected/sensors/{device}/m")
    assert (announced["reason"], announced["payload"], announced["bytes"]) == ("value_not_a_number", "bad", 3)
    assert announced["topic"] == f"sensors/{device}/m"
