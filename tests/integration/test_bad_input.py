"""Bad input over the wire: each message ends as a dead letter with a reason of its own or as the documented reading.

Good readings go out between the bad messages, ten for each; all of them have to be stored by the same process.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.integration.conftest import MOSQUITTO
from tests.support import stored
from tests.support.bad_input import CASES, GOOD_DEVICE, Case
from tests.support.brokers import make_broker
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import wait_until

from sensorline import topics
from sensorline.reading import DeadLetter

GOOD_BETWEEN = 10


class Outcome(NamedTuple):
    """What became of all cases, sent to one ingest."""

    points: Counter[tuple[str, str, float]]
    letters: list[DeadLetter]
    announced: dict[str, list[dict[str, object]]]
    good_sent: int
    pid_before: int
    pid_after: int
    was_running: bool


@pytest.fixture(scope="module", params=[MOSQUITTO, "amqtt"])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Send every case to one ingest, once for each broker."""
    started = Processes()
    try:
        folder = tmp_path_factory.mktemp("bad-input")
        broker = make_broker(request.param, folder / "broker")
        started.add(broker)
        broker.start()
        ingest = Ingest(folder, broker.environment)
        started.add(ingest)
        ingest.start_ready()
        yield _send_all(broker.port, ingest)
    finally:
        started.close()


def _send_all(port: int, ingest: Ingest) -> Outcome:
    pid = ingest.pid
    good = 0
    bad_count = sum(bool(case.reason) for case in CASES)
    with Client(port, filters=["sensorline/rejected/#"]) as client:
        for case in CASES:
            for _ in range(GOOD_BETWEEN):
                client.send(f"sensors/{GOOD_DEVICE}/m", str(good + 0.5))
                good += 1
            client.send(case.topic, case.payload)
        client.publish(f"sensors/{GOOD_DEVICE}/m", str(good + 0.5))
        good += 1
        expected = good + sum(len(case.values) for case in CASES)
        wait_until(
            lambda: stored.count(ingest.store) >= expected and len(client.received) >= bad_count,
            20,
            lambda: (
                f"{expected} readings and {bad_count} announcements; there are {stored.count(ingest.store)}"
                f" and {len(client.received)}\n{ingest.output()}"
            ),
            every_s=0.1,
        )
        time.sleep(0.2)  # Anything more than expected would come now.
        announced: dict[str, list[dict[str, object]]] = {}
        for topic, payload, _ in client.received:
            announced.setdefault(topic, []).append(json.loads(payload))
    points = Counter((device, metric, value) for device, metric, _, value in stored.points(ingest.store))
    return Outcome(
        points,
        stored.dead_letters(ingest.store),
        announced,
        good,
        pid,
        ingest.pid,
        ingest.is_running,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bad_input_ends_as_a_dead_letter_or_as_the_documented_reading(outcome: Outcome, case: Case) -> None:
    letters = [
        letter for letter in outcome.letters if (letter.topic, letter.payload) == (case.topic, case.payload)
    ]
    if case.reason:
        assert [letter.reason for letter in letters] == [case.reason]
        assert letters[0].detail
        announced = outcome.announced.get(topics.rejected_topic(case.topic), [])
        assert case.reason in [announcement["reason"] for announcement in announced]
    else:
        assert letters == []
    for value in case.values:
        assert outcome.points[value] == 1, f"{value} is stored {outcome.points[value]} times"


def test_good_readings_between_bad_messages_are_all_stored(outcome: Outcome) -> None:
    good = Counter[object](value for device, _, value in outcome.points.elements() if device == GOOD_DEVICE)
    assert stored.differences(Counter(n + 0.5 for n in range(outcome.good_sent)), good) == ""


def test_bad_input_becomes_nothing_else(outcome: Outcome) -> None:
    expected = Counter[object](value for case in CASES for value in case.values)
    found = Counter[object](p for p in outcome.points.elements() if p[0] != GOOD_DEVICE)
    assert stored.differences(expected, found) == ""
    assert len(outcome.letters) == sum(bool(case.reason) for case in CASES)


def test_the_process_lives_through_all_of_it(outcome: Outcome) -> None:
    assert outcome.was_running
    assert outcome.pid_before == outcome.pid_after
