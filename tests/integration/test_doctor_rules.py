"""`sensorline doctor`: whose session it is, who may come in and write, certificates and clocks."""

import re
import signal
from pathlib import Path

import pytest
from tests.support import stored
from tests.support.doctor import Doctor, plain_mosquitto
from tests.support.ports import free_port
from tests.support.processes import SENSORLINE, Process, Processes
from tests.support.production import ProductionMosquitto, User, make_certificates
from tests.support.services import Ingest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto


def test_f24_a_device_with_ingests_client_id_gets_a_session_of_its_own_and_the_queue_stays(
    production: ProductionMosquitto, processes: Processes, tmp_path: Path
) -> None:
    ingest = Ingest(tmp_path, production.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready().stop()
    as_desk = ("desk", production.passwords["desk"])
    with User(production.port, *as_desk) as device:
        device.publish("sensors/desk/m", "1")
    # On a broker without use_username_as_clientid this deletes what waits for ingest: the doctor says so below.
    with User(production.port, *as_desk, client_id="sensorline-ingest", clean_session=True) as thief:
        assert thief.session_present is False
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == 1, 10, "what waited")


def test_f24_a_broker_that_leaves_client_ids_alone_is_a_problem_as_soon_as_there_are_users(
    processes: Processes, tmp_path: Path, ask: Doctor
) -> None:
    broker = plain_mosquitto(processes, tmp_path, "")
    alone = ask(broker.environment, "--queue", "100").of("client_id_theft")
    shared = ask(
        broker.environment | {"MQTT_USERNAME": "somebody", "MQTT_PASSWORD": "s3cr3t-of-mine"},
        "--queue",
        "100",
    )
    assert alone["level"] == "fine"
    assert shared.of("client_id_theft")["level"] == "problem"
    assert "use_username_as_clientid true" in shared.of("client_id_theft")["fix"]
    assert shared.of("anonymous")["level"] == "problem"
    assert "confirm readings" in shared.of("anonymous")["says"]
    assert "s3cr3t-of-mine" not in shared.text


def test_it_does_not_connect_as_a_service(production: ProductionMosquitto, ask: Doctor) -> None:
    report = ask(production.as_user("ingest"))
    assert report.of("user")["level"] == "unseen"
    assert "-u admin" in report.of("user")["says"]
    assert "sensorline-doctor" not in production.output()


def test_a_session_that_another_program_has_is_seen_and_left_as_it_is(
    production: ProductionMosquitto, ask: Doctor
) -> None:
    as_desk = ("desk", production.passwords["desk"])
    with User(production.port, *as_desk, clean_session=False, acknowledges=False) as owner:
        owner.subscribe("acks/desk")
    with User(production.port, "ingest", production.passwords["ingest"]) as ingest:
        ingest.publish("acks/desk", "what waits")
    report = ask(production.as_user("desk"))
    assert report.of("user")["level"] == "unseen"
    assert "another program has it" in report.of("user")["says"]
    with User(production.port, *as_desk, clean_session=False) as owner:
        assert owner.session_present
        wait_until(lambda: owner.received == [("acks/desk", b"what waits")], 10, "what waited")


def test_rules_that_forbid_the_doctor_are_a_sentence_and_the_rest_goes_on(
    production: ProductionMosquitto, ask: Doctor
) -> None:
    report = ask(production.as_user("desk"))
    assert report.of("rules")["level"] == "unseen"
    assert report.of("rules")["fix"] == "acl, under `user desk`: topic readwrite sensorline/doctor/#"
    assert report.of("sys")["level"] == report.of("alive", "ingest")["level"] == "unseen"
    assert report.of("client_id_theft")["level"] == "fine"
    assert report.problems() == []


def test_a_broker_that_is_not_there_or_refuses_is_a_problem_with_its_words(
    production: ProductionMosquitto, ask: Doctor
) -> None:
    gone = ask({"MQTT_HOST": "127.0.0.1", "MQTT_PORT": free_port()})
    refused = ask(production.environment | {"MQTT_USERNAME": "admin", "MQTT_PASSWORD": "wrong-one"})
    production.freeze()
    silent = ask(production.as_user("admin"))
    production.thaw()
    assert "does not answer" in silent.of("connection")["says"]
    assert silent.body["took_s"] < 30
    assert "no broker answers" in gone.of("connection")["says"]
    assert "authori" in refused.of("connection")["says"].lower()
    assert (gone.exit_code, refused.exit_code) == (1, 1)
    assert "wrong-one" not in refused.text


def test_a_certificate_is_looked_at(processes: Processes, tmp_path: Path, ask: Doctor) -> None:
    broker = ProductionMosquitto(tmp_path / "broker", tls=True)
    processes.add(broker)
    broker.start()
    make_certificates(tmp_path / "strangers")
    tls = broker.as_user("admin") | {"MQTT_PORT": broker.tls_port, "MQTT_HOST": "localhost"}
    ends = ask(tls | {"MQTT_CAFILE": broker.cafile}, "--queue", "100").of("certificate")
    refused = ask(tls | {"MQTT_CAFILE": tmp_path / "strangers/ca.crt"})
    assert ends["level"] == "warning", "it was made for a day"
    assert "ends in 0 days" in ends["says"]
    assert refused.of("certificate")["level"] == "problem"
    assert refused.problems() == ["certificate", "connection"]


def test_devices_whose_clock_is_wrong_are_named(processes: Processes, tmp_path: Path, ask: Doctor) -> None:
    broker = plain_mosquitto(processes, tmp_path, "", without="nothing")
    often, message = ("--repeat", "100", "--repeat-delay", "0.2"), '{"value":1,"ts":"2035-01-01T00:00:00Z"}'
    ahead = Process(
        "publisher",
        ["mosquitto_pub", "-p", str(broker.port), "-t", "sensors/fast/m", *often, "-m", message],
        tmp_path,
    )
    processes.add(ahead)
    ahead.start()
    found = ask(broker.environment, "--queue", "100").of("devices", "clock")
    assert found["level"] == "problem"
    assert "sensors/fast/m" in found["says"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_doctor_that_is_ended_in_the_middle_leaves_no_session(
    processes: Processes, tmp_path: Path, number: signal.Signals
) -> None:
    broker = plain_mosquitto(processes, tmp_path, "", without="nothing")
    doctor = Process("doctor", [*SENSORLINE, "doctor", "--queue", "1000000"], tmp_path, broker.environment)
    processes.add(doctor)
    doctor.start()
    # c0: it asks the broker to keep the session: at first to see whose it is, then to measure.
    kept = re.compile(r"as (sensorline-doctor-\w+) \(p2, c0")
    wait_until(lambda: len(kept.findall(broker.output())) >= 2, 20, "the session that measures")
    doctor.send(number)
    assert doctor.wait(15) == 128 + number
    broker.stop()
    assert b"sensorline-doctor" not in (broker.folder / "mosquitto.db").read_bytes()
