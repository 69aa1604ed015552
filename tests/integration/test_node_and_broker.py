"""What a broker does to a node: wrong rules, packets that it does not take, certificates that are no good."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Mosquitto
from tests.support.nodes import NodeProcess
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.production import ProductionMosquitto, User, make_certificates
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto

DEVICE = "house/attic"


def assert_all_is_stored(node: NodeProcess, ingest: Ingest, device: str) -> None:
    """Check that readings and numbers match: what was taken is stored or waits, and nothing is stored twice."""
    points = [(metric, time_ns) for name, metric, time_ns, _ in stored.points(ingest.store) if name == device]
    waiting = node.waiting()
    assert len(points) == len(set(points))
    overlap = {(row.metric, row.time_ms * 10**6) for row in waiting} & set(points)
    assert len(points) + len(waiting) - len(overlap) == node.taken_count()


@pytest.mark.parametrize("rule", ["pattern write sensors/%u/#", "pattern read acks/%u/#"])
def test_f27_a_slip_in_the_rules_is_told_and_after_the_fix_nothing_is_lost(
    processes: Processes, tmp_path: Path, rule: str
) -> None:
    """F27: the broker drops what the rules forbid and says nothing; only the missing confirmation tells."""
    broker = ProductionMosquitto(tmp_path / "broker", DEVICE)
    processes.add(broker)
    rules = tmp_path / "broker" / "acl"
    good = rules.read_text()
    rules.write_text(good.replace(rule, rule.replace("%u", "%u-typo")))
    broker.start()
    ingest = Ingest(tmp_path, broker.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready()
    node = NodeProcess(tmp_path, DEVICE, broker.as_user(DEVICE), NODE_RESEND_S=1)
    processes.add(node)
    admin = User(broker.port, "admin", broker.passwords["admin"])
    admin.subscribe(f"sensors/{DEVICE}/$health")
    node.start()
    node.wait_for_output("readings_not_confirmed")
    if "acks" in rule:
        wait_until(
            lambda: any(
                b"nothing is confirmed: does ingest run, and may this device" in p for _, p in admin.received
            ),
            10,
            lambda: f"a word on it in {admin.received}",
        )
    rules.write_text(good)
    broker.send(signal.SIGHUP)
    node.wait_for_output("readings_confirmed_again", 30)
    admin.close()
    assert node.stop() == 0
    assert_all_is_stored(node, ingest, DEVICE)


def test_f29_a_packet_that_is_too_large_for_the_broker_is_set_aside_and_the_others_flow(
    processes: Processes, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    """F29: Mosquitto ends the connection at a packet above max_packet_size, whoever's it is."""
    broker = Mosquitto(tmp_path / "broker", extra="max_packet_size 400")
    processes.add(broker)
    broker.start()
    ingest = make_ingest(broker).start_ready()
    device, long_name = unique("large"), "温" * 128
    rows = [f"2026-11-20T00:00:{n:02}Z,t,{n}" for n in range(12)]
    rows[3:3] = [f"2026-11-20T00:00:{n:02}Z,{long_name},{n}" for n in range(3)]
    file = tmp_path / "readings.csv"
    file.write_text("\n".join(["time,metric,value", *rows]))
    node = NodeProcess(
        tmp_path,
        device,
        broker.environment,
        NODE_SENSORS="replay",
        NODE_REPLAY_FILE=file,
        NODE_REPLAY_SPEED="max",
    )
    processes.add(node)
    with Client(broker.port, filters=[f"sensors/{device}/$health"]) as client:
        node.start()
        assert node.wait(90) == 0, "everything else is confirmed, so the node ends"
        said: list[dict[str, Any]] = client.json_of(f"sensors/{device}/$health")
    assert node.events("readings_set_aside") == 1
    assert stored.count(ingest.store) == 12
    assert [row.value for row in node.waiting("aside")] == [0, 1, 2]
    assert any(
        health["set_aside"] and "does not take readings of 温温温" in health["problem"] for health in said
    )


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def tls_broker(processes: Processes, tmp_path: Path) -> ProductionMosquitto:
    broker = ProductionMosquitto(tmp_path / "broker", DEVICE, tls=True)
    processes.add(broker)
    broker.start()
    return broker


def over_tls(broker: ProductionMosquitto, cafile: Path) -> dict[str, object]:
    return broker.as_user(DEVICE) | {
        "MQTT_HOST": "localhost",
        "MQTT_PORT": broker.tls_port,
        "MQTT_CAFILE": cafile,
    }


def test_f37_a_wrong_authority_is_refused_and_said_and_the_outbox_holds(
    tls_broker: ProductionMosquitto, processes: Processes, tmp_path: Path
) -> None:
    """F37: somebody else's authority; after the right one is set everything arrives."""
    ingest = Ingest(tmp_path, tls_broker.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready()
    make_certificates(tmp_path / "other")
    node = NodeProcess(tmp_path, DEVICE, over_tls(tls_broker, tmp_path / "other" / "ca.crt"))
    processes.add(node)
    node.start()
    said = node.wait_for_output('.*"event": "mqtt_not_connected".*')[0]
    assert "the certificate of the broker at localhost:" in said
    assert "set MQTT_CAFILE" in said
    assert node.stop() == 0
    held = node.waiting()
    assert held
    assert stored.count(ingest.store) == 0
    node.settings["MQTT_CAFILE"] = tls_broker.cafile
    node.start()
    wait_until(lambda: stored.count(ingest.store) >= len(held), 20, "what was held to be stored")
    assert node.stop() == 0
    assert_all_is_stored(node, ingest, DEVICE)


def test_f37_an_expired_certificate_is_refused_and_said_and_a_new_one_is_enough(
    tls_broker: ProductionMosquitto, processes: Processes, tmp_path: Path
) -> None:
    """F37: the broker's certificate has expired; the node goes on by itself when it is renewed."""
    ingest = Ingest(tmp_path, tls_broker.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready()
    certs = tls_broker.cafile.parent
    good = (certs / "server.crt").read_bytes()
    ca = (
        "-cert",
        "ca.crt",
        "-keyfile",
        "ca.key",
        "-in",
        "server.csr",
        "-out",
        "expired.crt",
        "-batch",
        "-notext",
    )
    (certs / "index.txt").write_text("")
    (certs / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    openssl(certs, "ca", "-config", "ca.cnf", *ca, *dates, "-extfile", "names")
    (certs / "server.crt").write_bytes((certs / "expired.crt").read_bytes())
    tls_broker.restart()
    node = NodeProcess(tmp_path, DEVICE, over_tls(tls_broker, tls_broker.cafile))
    processes.add(node)
    node.start()
    assert "certificate has expired" in node.wait_for_output('.*"event": "mqtt_not_connected".*')[0]
    (certs / "server.crt").write_bytes(good)
    os.kill(tls_broker.pid, signal.SIGHUP)
    wait_until(lambda: stored.count(ingest.store) > 0, 40, lambda: f"readings\n{node.output()}")
    assert node.stop() == 0
    assert_all_is_stored(node, ingest, DEVICE)
