"""F31: five hundred nodes come back at once when their broker does."""

import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.support import many_links
from tests.support.brokers import Broker
from tests.support.processes import Process, Processes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto

PROCESSES, LINKS = 5, 100
BACK_S = 60.0


def test_f31_five_hundred_nodes_are_back_soon_and_not_all_in_the_same_moment(
    mosquitto: Broker, processes: Processes, tmp_path: Path
) -> None:
    command = [sys.executable, many_links.__file__, str(mosquitto.port), str(LINKS)]
    crowds = [Process(f"nodes {n}", command, tmp_path) for n in range(PROCESSES)]
    for crowd in crowds:
        processes.add(crowd)
        crowd.start()
    for crowd in crowds:
        crowd.wait_for_output(r"all 1\b", BACK_S)
    killed_s = time.monotonic()
    mosquitto.kill()
    mosquitto.start()

    def are_back() -> bool:
        assert all(crowd.is_running for crowd in crowds)
        return all(re.search(r"all 2\b", crowd.output()) for crowd in crowds)

    wait_until(are_back, BACK_S, "all nodes to be back")
    said = "\n".join(crowd.output() for crowd in crowds)
    # Not from the line's beginning: a log line of another thread may lack its end there.
    back_s = [s for s in map(float, re.findall(r"connected (\d+\.\d{3})\b", said)) if s >= killed_s]
    assert len(back_s) >= PROCESSES * LINKS
    # Each draws its delay from two seconds: in no half of one come many more than a quarter.
    halves = Counter(int((s - killed_s) * 2) for s in back_s)
    assert max(halves.values()) < 0.5 * PROCESSES * LINKS, halves
