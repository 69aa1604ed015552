"""F15: kill -9 of a node at any instant, while it writes into its outbox and while it publishes.

Nothing that it has taken is lost, no number is used for two readings, and what it had published before is the same afterwards.
TESTS_NODE_KILLS sets how often it is killed.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.nodes import NodeProcess
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("TESTS_NODE_KILLS", "20"))
SEED = 20261121

Published = dict[int, tuple[str, float, int]]
"""seq → metric, value, time"""


class Witness(Client):
    """Sees everything that a device publishes, and that each number always means the same reading."""

    def __init__(self, port: int, device: str) -> None:
        self.readings: Published = {}
        self.broken: list[str] = []
        super().__init__(port, filters=[f"sensors/{device}/#"], on_message=self._look)

    def _look(self, topic: str, payload: bytes) -> None:
        metric = topic.rpartition("/")[2]
        if metric.startswith("$"):
            return
        content = json.loads(payload)
        for point in content if isinstance(content, list) else [content]:
            reading = (metric, point["value"], point["ts"])
            if self.readings.setdefault(point["seq"], reading) != reading:
                self.broken.append(f"{point['seq']} is {self.readings[point['seq']]} and {reading}")


def test_f15_a_node_that_is_killed_again_and_again_loses_nothing_and_uses_no_number_twice(
    mosquitto: Broker, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    device = unique("killed")
    instants = random.Random(SEED)
    ingest = make_ingest(mosquitto).start_ready()
    node = NodeProcess(tmp_path, device, mosquitto.environment)
    processes.add(node)
    with Witness(mosquitto.port, device) as witness:
        taken = 0
        for n in range(KILLS):
            seen = len(witness.readings)
            node.start()
            wait_until(lambda seen=seen: len(witness.readings) > seen, 20, "the node's next reading")
            time.sleep(instants.uniform(0.0, 0.4))  # The instant of the kill is the test's subject.
            node.kill()
            waiting = node.waiting()
            assert len({row.seq for row in waiting}) == len(waiting)
            highest = max([*witness.readings, *(row.seq for row in waiting)])
            assert highest > taken, f"seed {SEED}, kill {n}: nothing new was taken"
            taken = highest
        node.start()
        node.wait_for_output("mqtt_connected")
        last = node.stop
        wait_until(lambda: max(witness.readings) > taken, 20, "the last life's readings")
        last()
        left = {row.seq for row in node.waiting()}
        assert witness.broken == [], f"seed {SEED}"
        first, highest = min(witness.readings), max([*witness.readings, *left])
        assert sorted(witness.readings.keys() | left) == list(range(first, highest + 1)), f"seed {SEED}"
        expected = {(m, ts * 10**6, value) for seq, (m, value, ts) in witness.readings.items()}
        assert len(expected) == len(witness.readings), "two readings have one time"

        def found() -> set[tuple[str, int, float]]:
            return {(m, t, v) for d, m, t, v in stored.points(ingest.store) if d == device}

        wait_until(lambda: found() >= expected, 20, "everything that was published to be stored")
        assert found() == expected
