"""Links between node, broker and ingest that break, fall silent, or crawl: noticed, survived, nothing lost, nothing doubled."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored, wire
from tests.support.bad_links import BadLink
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.processes import SENSORLINE, Process, Processes
from tests.support.publishers import Client, Stream
from tests.support.services import Ingest
from tests.support.waiting import stays_true, wait_until

from sensorline_ingest.watchdog import EXIT_CODE

pytestmark = pytest.mark.mosquitto

KEEPALIVE_S = 5
"""The shortest that settings allow."""
ROWS = 6_000
CUTS = 4


@pytest.fixture
def link(mosquitto: Broker) -> Iterator[BadLink]:
    """A link to Mosquitto that can be made bad."""
    link = BadLink(mosquitto.port)
    yield link
    link.close()


class Replaying:
    """A sensor node that plays a file of known readings, and ends when all of them are confirmed."""

    def __init__(self, link: BadLink, folder: Path, processes: Processes) -> None:
        self.device = unique("node")
        self._begin_s = int(time.time()) - 2 * 3600
        path = folder / "readings.csv"
        lines = [f"{self._begin_s + n},t,{n + 0.5}" for n in range(ROWS)]
        path.write_text("\n".join(["time,metric,value", *lines, ""]))
        settings: dict[str, object] = {
            "NODE_NAME": self.device,
            "NODE_SENSORS": "replay",
            "NODE_REPLAY_FILE": path,
            "NODE_REPLAY_SPEED": "max",
            "NODE_OUTBOX_PATH": folder / "outbox.db",
            "MQTT_KEEPALIVE_S": KEEPALIVE_S,
            "LOG_FORMAT": "json",
        }
        self.process = Process("node", [*SENSORLINE, "node"], folder, settings | link.environment)
        processes.add(self.process)

    def assert_all_stored_once(self, ingest: Ingest) -> None:
        """Check that the store has the file's readings, each once."""
        expected = Counter[object](
            (self.device, "t", (self._begin_s + n) * 10**9, n + 0.5) for n in range(ROWS)
        )
        found = Counter[object](point for point in stored.points(ingest.store) if point[0] == self.device)
        assert stored.differences(expected, found) == ""


def test_resets_between_node_and_broker_cost_nothing(
    mosquitto: Broker, link: BadLink, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    """F18: the network between node and broker is cut with resets, in the middle of a backlog."""
    ingest = make_ingest(mosquitto).start_ready()
    node = Replaying(link, tmp_path, processes)
    node.process.start()
    # Slow enough that the cuts fall into the sending.
    link.piece_bytes, link.pause_s = 1_000, 0.02

    def has_more(than: int) -> bool:
        return stored.count(ingest.store) > than

    def is_back(cuts: int) -> bool:
        return len(link.connections) > cuts

    for cut in range(CUTS):
        wait_until(partial(is_back, cut), 10, "the node to connect again")
        wait_until(partial(has_more, stored.count(ingest.store)), 20, "more readings to arrive")
        link.cut()
    assert node.process.wait(60) == 0
    assert len(link.connections) > CUTS
    node.assert_all_stored_once(ingest)
    link.assert_rules_kept()


def test_a_half_open_link_is_noticed_within_two_keepalives_and_nothing_is_lost(
    mosquitto: Broker, link: BadLink, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    """F19: nothing comes through in either direction, and nobody is told."""
    device, begin_ms = unique("silent"), int(time.time() * 1000) - 600_000

    def message(n: int) -> tuple[str, bytes]:
        return f"sensors/{device}/m", f'{{"value":{n}.5,"ts":{begin_ms + n}}}'.encode()

    ingest = make_ingest(link, MQTT_KEEPALIVE_S=KEEPALIVE_S).start_ready()
    node = Replaying(link, tmp_path, processes)
    stream = Stream(mosquitto.port, message, 100)
    wait_until(lambda: stored.count(ingest.store) > 50, 10, "readings to flow")
    link.is_silent = True
    silent_s = time.monotonic()
    node.process.start()
    wait_until(lambda: ingest.checks()["broker"] != "ok", 3 * KEEPALIVE_S, "ingest to notice")
    # Two keepalives, and a second in which paho looks.
    assert time.monotonic() - silent_s < 2 * KEEPALIVE_S + 2
    link.is_silent = False
    ingest.wait_ready()
    total = stream.finish()
    assert node.process.wait(60) == 0
    node.assert_all_stored_once(ingest)
    expected = Counter[object]((device, "m", (begin_ms + n) * 10**6, n + 0.5) for n in range(total))

    def found() -> Counter[object]:
        return Counter(point for point in stored.points(ingest.store) if point[0] == device)

    wait_until(
        lambda: found().total() >= total, 20, lambda: f"{total} readings, {found().total()}", every_s=0.2
    )
    assert stored.differences(expected, found()) == ""


@pytest.mark.parametrize(
    ("piece_bytes", "pause_s"),
    [(1, 0.0005), (1_000, 0.5), (100, 0.05)],
    ids=["bytes", "late", "2-kb-a-second"],
)
def test_a_crawling_link_is_no_dead_link(
    mosquitto: Broker, link: BadLink, make_ingest: MakeIngest, piece_bytes: int, pause_s: float
) -> None:
    """F20: single bytes, half a second of delay, 2 kB/s: neither side takes the other for dead."""
    link.piece_bytes, link.pause_s = piece_bytes, pause_s
    device = unique("slow")
    ingest = make_ingest(link, MQTT_KEEPALIVE_S=KEEPALIVE_S).start_ready(30)
    stream = Stream(mosquitto.port, lambda n: (f"sensors/{device}/m", str(n + 0.5).encode()), 15)
    stays_true(
        lambda: "mqtt_disconnected" not in ingest.output() and ingest.is_running,
        2 * KEEPALIVE_S + 1,
        "ingest keeps its connection",
        every_s=0.2,
    )
    total = stream.finish()
    wait_until(
        lambda: stored.count(ingest.store) >= total, 30, lambda: f"{total}, {stored.count(ingest.store)}"
    )
    assert {value for *_, value in stored.points(ingest.store)} == {n + 0.5 for n in range(total)}
    assert stored.count(ingest.store) == total
    assert "mqtt_disconnected" not in ingest.output()


def test_an_ingest_whose_network_thread_dies_ends_within_15_seconds_and_the_next_one_goes_on(
    mosquitto: Broker, link: BadLink, make_ingest: MakeIngest
) -> None:
    """F23: a packet that no broker sends makes a callback raise, and paho's thread dies with the socket open."""
    device = unique("dead")
    ingest = make_ingest(link).start_ready()
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{device}/m", "1.5")
        wait_until(lambda: stored.count(ingest.store) == 1, 10, "a reading")
        # QoS 2, and a topic that is no UTF-8.
        link.say(wire.publish(b"\xff", b"1", flags=0x04, packet_id=7) + b"\x62\x02\x00\x07")
        assert ingest.wait(15) == EXIT_CODE
        assert "the MQTT network thread has ended" in ingest.output()
        client.publish(f"sensors/{device}/m", "2.5")
        # As its supervisor does.
        ingest.start_ready()
        wait_until(lambda: stored.count(ingest.store) == 2, 10, "what came meanwhile")
    assert {value for *_, value in stored.points(ingest.store)} == {1.5, 2.5}
