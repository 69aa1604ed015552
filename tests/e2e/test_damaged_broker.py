"""F7: `sensorline up` with a broker whose database is damaged: moved aside once, said, and everything goes on."""

import json
import signal
from pathlib import Path

import psutil
import pytest
from tests.e2e.test_up import Up
from tests.support.ports import accepts_connections
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.waiting import wait_until

from sensorline.up.broker import DATABASE, set_damaged_aside

pytestmark = pytest.mark.mosquitto

MOVED = r"the broker cannot read its database: moved it to \S+mosquitto\.db\.damaged-\S+"


@pytest.fixture
def up(processes: Processes, tmp_path: Path) -> Up:
    started = Up(tmp_path, "mosquitto")
    processes.add(started)
    return started


def database(up: Up) -> Path:
    return Path(str(up.settings["UP_FOLDER"])) / "broker" / DATABASE


def damaged(up: Up) -> list[bytes]:
    return [path.read_bytes() for path in sorted(database(up).parent.glob(f"{DATABASE}.damaged-*"))]


def test_f7_a_zeroed_database_is_moved_aside_at_the_start(up: Up) -> None:
    database(up).parent.mkdir(parents=True)
    database(up).write_bytes(bytes(500))
    up.start_ready()
    up.wait_for_output(MOVED)
    assert damaged(up) == [bytes(500)]
    with Client(up.broker_port) as client:
        client.publish("sensors/desk/temperature", "21.5")
    wait_until(lambda: up.values("desk", "temperature") == [21.5], 10, "a reading to be stored")
    up.interrupt()


def test_f7_a_truncated_database_is_moved_aside_when_the_broker_was_killed(up: Up) -> None:
    up.start_ready()
    # A retained message and the session of ingest are in its database once it has ended in order.
    with Client(up.broker_port) as client:
        client.publish(
            "sensors/desk/temperature", json.dumps({"value": 21.5, "ts": 1_700_000_000_000}), retain=True
        )
    up.interrupt()
    assert database(up).stat().st_size > 100
    up.start_ready()
    (broker,) = [p for p in psutil.Process(up.pid).children() if "mosquitto" in p.name()]
    broker.send_signal(signal.SIGSTOP)
    # In the middle of its last entry: half of it may end between two entries, which is a whole database to Mosquitto.
    left = database(up).read_bytes()[:-3]
    database(up).write_bytes(left)
    broker.kill()
    up.wait_for_output(MOVED, 20)
    assert damaged(up) == [left]
    wait_until(lambda: accepts_connections(up.broker_port), 10, "the broker to be there again")
    with Client(up.broker_port) as client:

        def is_stored() -> bool:
            # A broker that has begun anew keeps nothing for ingest before that has come back.
            client.publish("sensors/desk/humidity", "50")
            return 50.0 in up.values("desk", "humidity")

        wait_until(is_stored, 30, "readings to be stored", every_s=0.3)
    assert up.output().count("moved it to") == 1
    up.interrupt()


@pytest.mark.parametrize(
    "said", [[], ["Error: Address already in use"], ["Error: Unable to open log file", "no config"]]
)
def test_f7_a_database_stays_when_the_broker_ended_for_another_reason(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / DATABASE).write_bytes(b"whole")
    assert set_damaged_aside(tmp_path, said) is None
    assert (tmp_path / DATABASE).read_bytes() == b"whole"


def test_f7_without_a_database_there_is_nothing_to_move(tmp_path: Path) -> None:
    assert set_damaged_aside(tmp_path, ["Error: Couldn't open database."]) is None
