"""Ingest on a Mosquitto with its own defaults that we did not start for it: the one that is given, or a container."""

import json
import time
from collections import Counter

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import SharedBroker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.waiting import wait_until

from sensorline.mqtt import forget_session

pytestmark = pytest.mark.broker


def test_every_reading_is_stored_once_also_those_that_waited_in_the_broker(
    shared_broker: SharedBroker, make_ingest: MakeIngest
) -> None:
    device, begin_ms = unique("numbered"), int(time.time() * 1000) - 3600_000
    expected = Counter((device, "m", (begin_ms + n) * 10**6, n + 0.5) for n in range(900))
    ingest = make_ingest(shared_broker, INGEST_CLIENT_ID=device, INGEST_TOPICS=f"sensors/{device}/#")
    ingest.start_ready()
    with Client(
        shared_broker.settings, filters=[f"acks/{device}", f"sensorline/rejected/sensors/{device}/#"]
    ) as client:

        def publish(numbers: range) -> None:
            sent = [
                client.send(
                    f"sensors/{device}/m", json.dumps({"value": n + 0.5, "ts": begin_ms + n, "seq": n})
                )
                for n in numbers
            ]
            for message in sent:
                message.wait_for_publish(10)

        def wait_for(number: int) -> None:
            wait_until(lambda: stored.count(ingest.store) == number, 20, f"{number} readings")

        publish(range(500))
        wait_for(500)
        client.publish(f"sensors/{device}/m", "warm")
        wait_until(
            lambda: client.json_of(f"sensorline/rejected/sensors/{device}/m"),
            10,
            "the reject to be announced",
        )
        ingest.kill()
        # Mosquitto's default for a session whose client is away is 1,000 messages.
        publish(range(500, 900))
        ingest.start_ready()
        wait_for(900)

        def confirmed() -> set[int]:
            ranges = [r for body in client.json_of(f"acks/{device}") for r in body["stored"]]
            return {n for first, last in ranges for n in range(first, last + 1)}

        wait_until(lambda: confirmed() == set(range(900)), 10, lambda: f"900 acks, {len(confirmed())} came")
    assert Counter(stored.points(ingest.store)) == expected
    assert [letter.payload for letter in stored.dead_letters(ingest.store)] == [b"warm"]
    assert ingest.stop() == 0
    forget_session(shared_broker.settings, device)
