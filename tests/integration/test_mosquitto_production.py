"""Sensorline's own services on a Mosquitto with the files of mosquitto/: nothing anonymous, one session for each user."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import free_port
from tests.support.processes import SENSORLINE, Process, Processes, run_sensorline
from tests.support.production import FILES, ProductionMosquitto, User
from tests.support.publishers import Client
from tests.support.services import Ingest, http_get
from tests.support.waiting import stays_true, wait_until

from sensorline_ingest.settings import IngestSettings

pytestmark = pytest.mark.mosquitto

DEVICE = "house/attic"


@pytest.fixture
def broker(processes: Processes, tmp_path: Path) -> ProductionMosquitto:
    broker = ProductionMosquitto(tmp_path / "broker", DEVICE)
    processes.add(broker)
    broker.start()
    return broker


MakeIngest = Callable[..., Ingest]


@pytest.fixture
def make_ingest(broker: ProductionMosquitto, processes: Processes, tmp_path: Path) -> MakeIngest:
    """Return `make(name)`: an ingest with a store of its own that connects as the user ingest."""

    def make(name: str = "ingest", **settings: object) -> Ingest:
        ingest = Ingest(
            tmp_path, broker.as_user("ingest"), name=name, STORE_PATH=tmp_path / f"{name}.db", **settings
        )
        processes.add(ingest)
        return ingest

    return make


def device(broker: ProductionMosquitto) -> User:
    return User(broker.port, DEVICE, broker.passwords[DEVICE])


BEGUN_MS = time.time_ns() // 10**6 - 3_600_000


def reading(n: int) -> str:
    """Return a reading with a time of its own, an hour ago and different for each n."""
    return f'{{"value":{n},"ts":{BEGUN_MS + n}}}'


def setting(name: str) -> int:
    found = re.findall(rf"^{name} (\d+)$", (FILES / "mosquitto.conf").read_text(), re.MULTILINE)
    assert len(found) == 1, f"{name} stands {len(found)} times in mosquitto.conf"
    return int(found[0])


def test_the_window_has_room_for_two_batches_of_ingest() -> None:
    assert setting("max_inflight_messages") >= 2 * IngestSettings().batch_max
    assert setting("max_queued_messages") >= 100 * setting("max_inflight_messages")


def test_the_broker_really_sends_that_many_without_an_answer(broker: ProductionMosquitto) -> None:
    window = setting("max_inflight_messages")
    silent = User(broker.port, "web", broker.passwords["web"], clean_session=False, acknowledges=False)
    silent.subscribe("sensors/#")
    with device(broker) as publisher:
        sent = [publisher.send(f"sensors/{DEVICE}/m", str(n)) for n in range(window + 500)]
        sent[-1].wait_for_publish(60)
    wait_until(lambda: len(silent.received) >= window, 60, lambda: f"{window}, got {len(silent.received)}")
    stays_true(lambda: len(silent.received) == window, 0.5, "the window ends there")
    silent.close()


@pytest.mark.parametrize("end", ["in order", "by a kill"])
def test_what_waits_for_ingest_is_there_when_it_starts_again(
    broker: ProductionMosquitto, make_ingest: MakeIngest, end: str
) -> None:
    ingest = make_ingest().start_ready()
    ingest.stop() if end == "in order" else ingest.kill()
    with device(broker) as publisher:
        for n in range(100):
            publisher.send(f"sensors/{DEVICE}/m", reading(n))
        publisher.publish(f"sensors/{DEVICE}/last", "1")
    # Its own predecessor, or one that has stopped, needs no waiting for a sign of life.
    ingest.start_ready(deadline_s=4)
    wait_until(
        lambda: stored.count(ingest.store) == 101, 10, lambda: f"101, got {stored.count(ingest.store)}"
    )
    assert stored.dead_letters(ingest.store) == []


def test_what_waits_is_kept_also_for_an_ingest_that_knows_nothing_of_the_earlier_one(
    broker: ProductionMosquitto, make_ingest: MakeIngest
) -> None:
    make_ingest("machine-that-died").start_ready().kill()
    with device(broker) as publisher:
        publisher.publish(f"sensors/{DEVICE}/m", "1")
    heir = make_ingest("heir").start_ready()
    assert "waiting_for_other_ingest" in heir.output()
    wait_until(lambda: stored.count(heir.store) == 1, 10, "what waited")


def test_a_second_ingest_is_told_who_holds_the_session_and_the_first_goes_on_with_everything(
    broker: ProductionMosquitto, make_ingest: MakeIngest
) -> None:
    first = make_ingest("first").start_ready()
    second = make_ingest("second")
    second.start()
    with device(broker) as publisher:
        sent = 0
        while second.is_running:
            publisher.publish(f"sensors/{DEVICE}/m", reading(sent))
            sent += 1
        assert second.wait(1) == 1, second.output()
    assert (
        f"the broker session of the user 'ingest' is held by another ingest: pid {first.pid} on"
        in second.output()
    )
    assert "Traceback" not in second.output()
    first.wait_ready()
    wait_until(
        lambda: stored.count(first.store) == sent, 15, lambda: f"{sent}, got {stored.count(first.store)}"
    )
    # Its own status on its own session would be a dead letter every two seconds.
    stays_true(lambda: not stored.dead_letters(first.store), 3, "no subscription is left behind")


def test_a_replay_as_ingest_is_refused_and_deletes_nothing_that_waits(
    broker: ProductionMosquitto, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    ingest = make_ingest().start_ready()
    with device(broker) as publisher:
        publisher.publish(f"sensors/{DEVICE}/m", "no number")
        wait_until(lambda: stored.dead_letters(ingest.store), 10, "a dead letter")
        ingest.stop()
        publisher.publish(f"sensors/{DEVICE}/m", "1")
    number = str(stored.dead_letters(ingest.store)[0].id)
    replay = ("dead-letters", "--store", str(ingest.store), "replay", number)
    done = run_sensorline(*replay, folder=tmp_path, settings=broker.as_user("ingest"))
    assert done.returncode == 1
    assert "cannot replay as 'ingest': on this broker that user has a session already" in done.stderr.decode()
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == 1, 10, "what waited")
    for _ in range(2):
        number = str(stored.dead_letters(ingest.store)[0].id)
        replay = ("dead-letters", "--store", str(ingest.store), "replay", number)
        done = run_sensorline(*replay, folder=tmp_path, settings=broker.as_user("admin"))
        assert (done.returncode, done.stdout) == (0, b"replayed 1\n"), done.stderr.decode()
        wait_until(
            lambda n=number: [str(d.id) != n for d in stored.dead_letters(ingest.store)] == [True],
            10,
            "it anew",
        )


def test_node_ingest_and_web_work_together_each_as_its_own_user(
    broker: ProductionMosquitto, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    ingest = make_ingest().start_ready()
    port = free_port()
    web_settings = {
        "STORE_PATH": ingest.store,
        "WEB_PORT": port,
        "WEB_ASYNC_MODE": "threading",
        "LOG_FORMAT": "json",
    }
    web = Process("web", [*SENSORLINE, "web"], tmp_path, broker.as_user("web") | web_settings)
    node_settings = {
        "NODE_NAME": DEVICE,
        "NODE_SENSORS": "simulated",
        "NODE_INTERVAL_S": 0.2,
        "NODE_OUTBOX_PATH": tmp_path / "outbox.db",
    }
    node = Process("node", [*SENSORLINE, "node"], tmp_path, broker.as_user(DEVICE) | node_settings)
    for process in (web, node):
        processes.add(process)
        process.start()
    wait_until(lambda: stored.count(ingest.store) >= 20, 20, "readings of the node")
    wait_until(lambda: http_get(f"http://127.0.0.1:{port}/readyz")[0] == 200, 20, "the dashboard")
    wait_until(
        lambda: f'"{DEVICE}"' in http_get(f"http://127.0.0.1:{port}/api/v1/devices")[1],
        10,
        "the device's entry",
    )
    # Only what ingest confirmed on acks/ leaves the outbox.
    node.stop()
    waiting = re.search(r"waiting['\"]?[=:] ?(\d+)", node.output().splitlines()[-1])
    assert waiting is not None, node.output()
    assert int(waiting[1]) < 20, "confirmations arrived"
    wait_until(
        lambda: stored.devices(ingest.store)[DEVICE].status == "offline",
        5,
        "the node's last word to be stored",
    )
    for process in (ingest, web):
        assert "mqtt_disconnected" not in process.output(), "two of them share a user"
        assert "mqtt_subscription_refused" not in process.output()
    assert ingest.stop() == 0


def test_on_a_broker_that_leaves_client_ids_alone_a_user_name_changes_nothing_but_the_probe(
    mosquitto: Broker, processes: Processes, tmp_path: Path
) -> None:
    settings = mosquitto.environment | {"MQTT_USERNAME": "somebody", "MQTT_PASSWORD": "secret"}
    first, second = (
        Ingest(tmp_path, settings, name=n, STORE_PATH=tmp_path / f"{n}.db") for n in ("first", "second")
    )
    for ingest in (first, second):
        processes.add(ingest)
    first.start_ready()
    with Client(mosquitto.port, filters=["sensorline/ingest/$status"]) as client:
        wait_until(
            lambda: client.json_of("sensorline/ingest/$status"), 10, "the first ingest's word of itself"
        )
    second.start()
    assert second.wait(25) == 1
    assert "the broker session 'sensorline-ingest' is held by another ingest: pid" in second.output()
    assert "mqtt_disconnected" not in first.output()
    # c0: the session is kept, c1: a clean one ends it. Each probe's client id is seen with both, in this order.
    seen = re.findall(r"as (sensorline-ingest-probe-\w+) \(p2, c([01])", mosquitto.output())
    probes = list(dict.fromkeys(name for name, _ in seen))
    assert len(probes) == 2
    assert seen == [(name, clean) for name in probes for clean in "01"]


def test_the_page_on_operations_moves_every_path_to_debians_folders() -> None:
    page = (FILES.parent / "docs/operations.md").read_text()
    line = re.search(r"^ {4}(sed .*) > /etc/mosquitto/mosquitto.conf$", page, re.MULTILINE)
    assert line is not None
    text = subprocess.run(
        ["sh", "-c", line[1]], cwd=FILES.parent, capture_output=True, text=True, check=True, timeout=10
    ).stdout
    paths = set(re.findall(r"^\w+ (/\S*)$", text, re.MULTILINE))
    assert paths == {
        "/etc/mosquitto/passwd",
        "/etc/mosquitto/acl",
        "/etc/mosquitto/conf.d",
        "/var/lib/mosquitto/",
    }
    assert "\nlistener 1883 127.0.0.1\n" in text


@pytest.mark.parametrize("name", ["mosquitto.conf", "tls.conf"])
def test_every_line_of_the_configuration_has_its_reason_above_it(name: str) -> None:
    before = ""
    for line in (FILES / name).read_text().splitlines():
        if line and not line.startswith("#"):
            # Two lines in a row may share one: certfile and keyfile, log types, persistence and its folder.
            assert before, f"{line} stands alone"
        before = line
