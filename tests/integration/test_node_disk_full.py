"""F17: a node's disk is full. New readings are refused and everybody can see it; what waits stays; it goes on by itself."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.nodes import NodeProcess
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto


def limit_files(node: NodeProcess, limit: int) -> int:
    """Let writes beyond `limit` bytes fail, as on a full disk, and return the limit that was in force (prlimit(2))."""
    soft, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (limit, hard))
    return soft


def test_f17_a_full_disk_is_told_and_loses_nothing_that_was_taken(
    mosquitto: Broker, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    device = unique("full")
    node = NodeProcess(tmp_path, device, mosquitto.environment, NODE_RESEND_S=2)
    processes.add(node)
    with Client(mosquitto.port, filters=[f"sensors/{device}/$health"]) as client:

        def health() -> dict[str, Any]:
            said = client.json_of(f"sensors/{device}/$health")
            return dict(said[-1]) if said else {}

        node.start()
        wait_until(lambda: health().get("refused") == 0, 20, "the node's health")
        unlimited = limit_files(node, 1)
        wait_until(
            lambda: health().get("refused", 0) > 0, 20, lambda: f"refusals in {health()}\n{node.output()}"
        )
        assert "new readings are refused: the disk" in health()["problem"]
        # Ingest comes while nothing can be deleted: what it confirms is sent again later, and stored once.
        ingest = make_ingest(mosquitto).start_ready()
        wait_until(lambda: stored.count(ingest.store) > 0, 20, "what was taken before to be stored")
        limit_files(node, unlimited)
        wait_until(
            lambda: node.events("outbox_accepts_again") and "problem" not in health(),
            30,
            lambda: f"the node to go on by itself\n{health()}\n{node.output()}",
        )
        refused = health()["refused"]
        assert node.events("outbox_refuses_readings") == 1, "the log says it once"
        assert node.stop() == 0
    left = node.waiting()
    points = stored.points(ingest.store)
    assert len(points) + len(left) >= 10
    # The count is durable.
    node.start()
    with Client(mosquitto.port, filters=[f"sensors/{device}/$health"]) as client:
        topic = f"sensors/{device}/$health"
        wait_until(lambda: client.json_of(topic), 20, "the health that the broker keeps")
        assert json.dumps(client.json_of(topic)[0]["refused"]) == str(refused)
