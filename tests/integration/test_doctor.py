"""`sensorline doctor` on real brokers: what it measures is what their configuration says, and it leaves nothing behind."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import stored
from tests.support.brokers import Amqtt
from tests.support.doctor import Doctor, plain_mosquitto
from tests.support.processes import SENSORLINE, Process, Processes, run_sensorline
from tests.support.production import ProductionMosquitto, User
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto

DROPPED = "$SYS/broker/publish/messages/dropped"


def test_the_limits_of_an_unchanged_mosquitto_are_found_exactly_and_their_lines_named(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(processes, tmp_path, "sys_interval 1\n")
    report = ask(broker.environment)
    window, queue = report.of("in_flight_window"), report.of("queue")
    assert window["level"] == "problem"
    assert "it sends 20 messages without an answer" in window["says"]
    assert "max_inflight_messages 2000" in window["fix"]
    assert queue["level"] == "problem"
    assert "it keeps 1,000 messages for a client that does not answer" in queue["says"]
    assert "max_queued_messages 1000000" in queue["fix"]
    assert report.of("session")["level"] == "fine"
    assert report.of("packet_size")["level"] == "warning", "any size goes through"
    assert report.exit_code == 1


def test_f26_a_queue_of_a_hundred_is_measured_and_a_full_one_is_seen_while_a_node_loses_nothing(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(
        processes, tmp_path, "max_inflight_messages 20\nmax_queued_messages 100\nsys_interval 1\n"
    )
    ingest = Ingest(tmp_path, broker.environment)
    processes.add(ingest)
    ingest.start_ready().stop()
    rows = tmp_path / "rows.csv"
    rows.write_text("time,metric,value\n" + "".join(f"{1_790_000_000 + n},m,{n}\n" for n in range(400)))
    settings = broker.environment | {
        "NODE_NAME": "desk",
        "NODE_SENSORS": "replay",
        "NODE_REPLAY_FILE": rows,
        "NODE_REPLAY_SPEED": "max",
        "NODE_REPLAY_TIMES": "file",
        "NODE_OUTBOX_PATH": tmp_path / "outbox.db",
        "DECODE_MAX_FUTURE_S": 86_400 * 366,
    }
    node = Process("node", [*SENSORLINE, "node"], tmp_path, settings)
    processes.add(node)
    node.start()
    with Client(broker.port, filters=[DROPPED]) as client, Client(broker.port) as flood:
        # Who publishes without an outbox fills the queue; every message of it is confirmed.
        for n in range(500):
            flood.publish(f"sensors/flood/m{n % 5}", "1")
        wait_until(
            lambda: any(payload != b"0" for _, payload, _ in client.received), 10, "the broker's own count"
        )
    report = ask(broker.environment, "--queue", "400")
    dropped = report.of("dropped")
    assert dropped["level"] == "problem"
    assert "Outgoing messages are being dropped" in dropped["fix"]
    assert "it keeps 100 messages" in report.of("queue")["says"]
    ingest.start_ready()
    # A node sends everything that was not confirmed at the beginning of a connection.
    node.stop()
    node.start()

    def of_the_node() -> int:
        return sum(point[0] == "desk" for point in stored.points(ingest.store))

    wait_until(lambda: of_the_node() == 400, 40, lambda: f"all 400 of the node, {of_the_node()} are stored")


def test_the_production_broker_has_no_problem_and_ingests_session_is_left_alone(
    production: ProductionMosquitto, processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    ingest = Ingest(tmp_path, production.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready()
    report = ask(production.as_user("admin") | {"STORE_PATH": ingest.store}, "--ingest-url", ingest.url)
    assert report.problems() == [], report.text
    assert "it sends 2,000 messages" in report.of("in_flight_window")["says"]
    assert "at least 20,000 messages" in report.of("queue")["says"]
    assert "1,048,576 bytes" in report.of("packet_size")["says"]
    fine = (
        "client_id_theft",
        "session",
        "retained",
        "packet_size",
        "anonymous",
        "confirmations",
        "persistence",
    )
    assert {check: report.of(check)["level"] for check in fine} == dict.fromkeys(fine, "fine")
    assert report.of("alive", "ingest")["level"] == report.of("ready", "ingest")["level"] == "fine"
    assert report.body["took_s"] < 30
    assert "mqtt_disconnected" not in ingest.output(), "the doctor has put ingest out"
    assert not stored.dead_letters(ingest.store), "ingest has got something of the doctor's"
    # While it is away its queue is somebody else's to read as little.
    ingest.stop()
    with User(production.port, "desk", production.passwords["desk"]) as device:
        for n in range(50):
            device.publish(f"sensors/desk/m{n}", "1")
    ask(production.as_user("admin"), "--queue", "100")
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == 50, 10, "what waited for ingest")


def test_nothing_is_left_at_the_broker(processes: Processes, tmp_path: Path, ask: Doctor) -> None:
    broker = plain_mosquitto(processes, tmp_path, "", without="nothing")
    User(broker.port, client_id="who-stays", clean_session=False).close()
    with Client(broker.port) as client:
        client.publish("what/stays", "1", retain=True)
    ask(broker.environment, "--queue", "500")
    assert "sensorline-doctor" in broker.output()
    # Its database has every session and every retained message.
    broker.stop()
    kept = (broker.folder / "mosquitto.db").read_bytes()
    assert b"who-stays" in kept
    assert b"what/stays" in kept
    assert b"sensorline-doctor" not in kept
    assert b"sensorline/doctor" not in kept


def test_what_a_message_size_limit_does_is_seen(processes: Processes, tmp_path: Path, ask: Doctor) -> None:
    broker = plain_mosquitto(processes, tmp_path, "message_size_limit 50000\n", without="nothing")
    found = ask(broker.environment, "--queue", "100").of("packet_size")
    assert found["level"] == "problem"
    assert "65,536 bytes and drops them" in found["says"]


def test_packets_too_small_for_a_node_and_no_retained_messages_are_seen(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(
        processes, tmp_path, "max_packet_size 8000\nretain_available false\n", without="nothing"
    )
    report = ask(broker.environment, "--queue", "100")
    assert report.of("packet_size")["level"] == "problem"
    assert report.of("retained")["level"] == "warning"


def test_a_broker_that_keeps_nothing_on_disk_is_found_by_its_configuration(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(processes, tmp_path, "", without="persistence")
    found = ask(broker.environment, "--queue", "100").of("persistence")
    assert found["level"] == "problem"
    assert "persistence true" in found["fix"]


def test_the_broker_in_python_is_measured_as_well(processes: Processes, tmp_path: Path, ask: Doctor) -> None:
    broker = Amqtt(tmp_path / "broker")
    processes.add(broker)
    broker.start()
    report = ask(broker.environment, "--queue", "500")
    assert report.of("sys")["level"] == report.of("persistence")["level"] == "unseen"
    fine = ("in_flight_window", "session", "retained")
    assert [report.of(check)["level"] for check in fine] == ["fine"] * 3
    # Its window is larger than all that was tried.
    assert "everything that was tried went into the in-flight window" in report.of("queue")["says"]


def test_a_window_that_is_larger_than_it_has_to_be_is_followed_to_its_end(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(processes, tmp_path, "max_inflight_messages 4000\nmax_queued_messages 3000\n")
    report = ask(broker.environment, "--queue", "6000")
    assert "it sends 4,000 messages" in report.of("in_flight_window")["says"]
    assert "it keeps 3,000 messages" in report.of("queue")["says"]


def test_people_get_lines_and_an_exit_code(processes: Processes, tmp_path: Path) -> None:
    broker = plain_mosquitto(processes, tmp_path, "", without="nothing")
    store = tmp_path / "store.db"
    with closing(sqlite3.connect(store)) as db:
        db.execute("PRAGMA user_version = 99")
    options = ("doctor", "--store", str(store), "--queue", "100", "--web-url", "http://127.0.0.1:1")
    done = run_sensorline(*options, folder=tmp_path, settings=broker.environment, timeout_s=60)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1
    words = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    order = ["problem", "warning", "unseen", "fine"]
    assert [order.index(word) for word in words[:-1]] == sorted(order.index(word) for word in words[:-1])
    at = next(i for i, line in enumerate(lines) if "has schema 99" in line)
    assert lines[at].startswith("problem  store: ")
    assert lines[at + 1].strip() == "install the newer version again"
    assert lines[-1].endswith(" s")
