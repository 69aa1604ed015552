"""The node as a whole, with a link and a clock of the test's own."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from sensorline.errors import StartupError
from sensorline_node.node import PACED_MAX_WAITING, Meta, Node
from sensorline_node.roster import Roster
from sensorline_node.sensors.base import Measurement


class Thermometer:
    name = "thermometer"
    is_simulated = False

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Measurement]:
        return [Measurement("temperature", 21.5, "°C", name="Temperature")]


class LongTape:
    """A paced sensor that always has more, 500 readings at a time."""

    name = "tape"
    is_simulated = False

    def __init__(self, reads: int) -> None:
        self.reads = reads

    def open(self) -> None: ...

    def close(self) -> None: ...

    def read(self) -> list[Measurement]:
        self.reads -= 1
        return [Measurement("t", float(i), "", (1_500_000_000_000 + i) * 1_000_000) for i in range(500)]

    def ready_in_s(self) -> float | None:
        return 0.0 if self.reads else None


class Setup:
    """A node of the given sensors on a fake link."""

    def __init__(self, outbox: Any, link: Any, clock: Any, sensors: list[Any]) -> None:
        self.outbox, self.link, self.clock = outbox, link, clock
        meta = Meta(2.0, False, "Desk", "study")
        self.node = Node("desk", meta, Roster(sensors, 2.0), outbox, link, clock)

    def run_s(self, seconds: float) -> None:
        end_s = self.clock.elapsed_s + seconds
        self.node.run(lambda: self.clock.elapsed_s >= end_s)

    def retained(self) -> list[tuple[str, bytes]]:
        return [(m.topic.removeprefix("sensors/desk/"), m.payload) for m in self.link.published if m.retain]


@pytest.fixture
def setup(open_outbox: Any, link: Any, clock: Any) -> Setup:
    return Setup(open_outbox(), link, clock, [Thermometer()])


def test_a_reading_is_durable_before_anything_is_published(setup: Setup) -> None:
    waiting: list[int] = []
    publish = setup.link.publish

    def note(topic: str, payload: bytes, **kwargs: Any) -> bool:
        if "$" not in topic:
            waiting.append(setup.outbox.count)
        return bool(publish(topic, payload, **kwargs))

    setup.link.publish = note
    setup.link.connect()
    setup.run_s(5)
    assert waiting == [1, 2, 3]


def test_each_connection_begins_with_retained_meta_and_status(setup: Setup) -> None:
    setup.run_s(1)
    setup.link.connect()
    setup.run_s(1)
    (meta_leaf, meta), status, (health_leaf, health) = setup.retained()
    assert meta_leaf == "$meta"
    assert msgspec.json.decode(meta) == {
        "name": "Desk",
        "location": "study",
        "interval_s": 2.0,
        "simulated": False,
        "units": {"temperature": "°C"},
        "names": {"temperature": "Temperature"},
    }
    assert status == ("$status", b"online")
    assert health_leaf == "$health"
    assert msgspec.json.decode(health) == {
        "refused": 0,
        "set_aside": 0,
        "waiting": 1,
        "outbox_bytes": setup.outbox.used_bytes,
        "outbox_max_bytes": setup.outbox.max_bytes,
    }
    setup.link.drop()
    setup.run_s(1)
    setup.link.connect()
    setup.run_s(1)
    assert [leaf for leaf, _ in setup.retained()] == ["$meta", "$status", "$health"] * 2


def test_meta_is_published_again_when_a_sensor_brings_a_new_metric_and_not_otherwise(setup: Setup) -> None:
    setup.link.connect()
    setup.run_s(20)
    assert [leaf for leaf, _ in setup.retained()] == ["$meta", "$status", "$health", "$meta"]


def test_readings_of_an_offline_time_arrive_with_their_own_times(setup: Setup) -> None:
    first_ms = setup.clock.ms
    setup.run_s(19)
    setup.link.connect()
    setup.run_s(0.5)
    times = sorted(reading["ts"] for reading in setup.link.readings())
    assert times == [first_ms + 2_000 * i for i in range(10)]


def test_a_new_reading_does_not_wait_behind_a_backlog(setup: Setup) -> None:
    backlog = [Measurement("old", float(i)) for i in range(20_000)]
    setup.outbox.put(backlog, setup.clock.ms)
    last_old = setup.outbox.next_seq - 1
    setup.link.connect()
    setup.run_s(10)
    seqs = setup.link.seqs()
    live = [position for position, seq in enumerate(seqs) if seq > last_old]
    assert len(live) == 5
    assert live[0] < 10, "the newest is visible first"
    old = sum(seq <= last_old for seq in seqs)
    assert 0 < old < 20_000, "the backlog is under way all the while"


def test_a_confirmation_empties_the_outbox_and_is_acknowledged_afterwards(setup: Setup) -> None:
    setup.link.connect()
    setup.run_s(9)
    assert setup.outbox.count == 5
    setup.link.deliver("acks/desk", b'{"stored":[[1,2],[4,4]]}')
    setup.run_s(0.5)
    assert [row.seq for row in setup.outbox.after(0, 9)] == [3, 5]
    assert len(setup.link.acknowledged) == 1


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("acks/desk", b"not json"),
        ("acks/desk", b'{"stored":[[1]]}'),
        ("acks/desk", b'{"stored":[["1","2"]]}'),
        ("acks/desk", b'{"stored":[[5,1]]}'),
        ("acks/desk", b'{"stored":[[-99999999999999999999,0]]}'),
        ("acks/desk", b"\xff"),
        ("acks/attic", b'{"stored":[[1,9]]}'),
    ],
)
def test_a_confirmation_that_makes_no_sense_deletes_nothing_and_harms_nothing(
    setup: Setup, topic: str, payload: bytes
) -> None:
    setup.link.connect()
    setup.run_s(3)
    setup.link.deliver(topic, payload)
    setup.run_s(2)
    assert setup.outbox.count == 3


def test_no_reading_is_taken_while_the_clock_was_never_set(setup: Setup) -> None:
    setup.clock.ms = 5_000
    with capture_logs() as logs:
        setup.run_s(20)
    assert setup.outbox.count == 0
    assert [entry["event"] for entry in logs] == ["clock_not_set"]
    setup.clock.ms = 1_737_000_000_000
    setup.run_s(1)
    assert setup.outbox.count == 1


def test_a_file_is_not_read_further_while_much_of_it_waits(open_outbox: Any, link: Any, clock: Any) -> None:
    setup = Setup(open_outbox(), link, clock, [LongTape(reads=100)])
    setup.run_s(30)
    assert setup.outbox.count == PACED_MAX_WAITING
    assert setup.outbox.refused == 0


def test_a_node_ends_when_its_file_has_ended_and_everything_is_confirmed(
    open_outbox: Any, link: Any, clock: Any
) -> None:
    setup = Setup(open_outbox(), link, clock, [LongTape(reads=3)])
    link.connect()
    setup.run_s(10)
    assert sorted(link.seqs()) == list(range(1, 1_501))
    assert not setup.node.has_finished
    link.deliver("acks/desk", b'{"stored":[[1,1500]]}')
    setup.node.run(lambda: False)
    assert setup.node.has_finished


def test_a_dead_network_thread_ends_the_node_with_what_to_do(setup: Setup) -> None:
    setup.link.problem = "the MQTT network thread has ended"
    with pytest.raises(StartupError, match="keeps 1 readings: start again"):
        setup.run_s(10)


def test_a_goodbye_is_a_retained_offline_and_needs_a_connection(setup: Setup) -> None:
    setup.node.say_goodbye()
    setup.link.connect()
    setup.node.say_goodbye()
    assert setup.retained() == [("$status", b"offline")]
