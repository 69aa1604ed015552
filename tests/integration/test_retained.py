"""500 retained topics, and restarts of ingest and of the broker: what is shown again is not stored again."""

import json
import time
from collections import Counter

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.waiting import wait_until

TOPICS, RESTARTS = 500, 20


@pytest.mark.mosquitto
def test_500_retained_topics_and_20_restarts_of_ingest_and_broker_are_no_new_point(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    """Half of them have a time of their own: those are stored once. The others are state."""
    device, begin_ms = unique("retained"), int(time.time() * 1000) - 3600_000
    with Client(mosquitto.port) as client:
        infos = [
            client.send(
                f"sensors/{device}/m{n}",
                json.dumps({"value": n + 0.5, "ts": begin_ms + n}) if n % 2 else f"{n}.5",
                retain=True,
            )
            for n in range(TOPICS)
        ]
        for info in infos:
            info.wait_for_publish(10)
    expected = Counter[object](
        (device, f"m{n}", (begin_ms + n) * 10**6, n + 0.5) for n in range(1, TOPICS, 2)
    )
    ingest = make_ingest(mosquitto)
    for restart in range(RESTARTS + 1):
        ingest.start_ready()
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_state_total") >= TOPICS / 2,
            15,
            "what is retained",
        )
        wait_until(lambda: stored.count(ingest.store) >= TOPICS / 2, 10, "those with a time to be stored")
        found = Counter[object](stored.points(ingest.store))
        assert stored.differences(expected, found) == "", f"after {restart} restarts"
        # Now it is in order, now it is not; the broker keeps on disk what it retains.
        if restart % 2:
            ingest.kill()
            mosquitto.restart()
        else:
            mosquitto.restart()
            ingest.stop()
    assert stored.dead_letters(ingest.store) == []
    stored.assert_rollups_equal_raw(ingest.store)
