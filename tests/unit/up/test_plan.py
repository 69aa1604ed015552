import math
import os
import socket
from pathlib import Path

import pytest

from sensorline.errors import StartupError
from sensorline.settings import MqttSettings
from sensorline.up.lock import folder_lock
from sensorline.up.plan import Wishes, broker_is_given, default_sensors, make_plan, try_line
from sensorline.up.ports import next_free_port

HOST = "127.0.0.1"


@pytest.fixture
def busy_port() -> int:
    """A port that somebody listens on, with a free one above it."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def _wishes(folder: Path, **changes: object) -> Wishes:
    given = {
        "folder": folder,
        "broker_kind": "amqtt",
        "mqtt": MqttSettings(port=_free()),
        "web_host": HOST,
        "web_port": _free(),
        "ingest_host": HOST,
        "ingest_port": 0,
        "environment": {"PATH": "/usr/bin"},
    }
    return Wishes(**(given | changes))


def _free() -> int:
    return next_free_port(HOST, 0)


def test_a_free_port_is_taken_as_wanted() -> None:
    port = _free()
    assert next_free_port(HOST, port) == port


def test_a_busy_port_gives_the_next_free_one(busy_port: int) -> None:
    assert next_free_port(HOST, busy_port) > busy_port


def test_a_port_that_is_promised_to_another_service_is_not_given_twice() -> None:
    port = _free()
    assert next_free_port(HOST, port, {port}) > port


def test_an_address_of_another_machine_is_refused_in_one_line() -> None:
    with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:8000"):
        next_free_port("192.0.2.1", 8000)


def test_a_moved_port_is_said_once_and_used_by_everybody(tmp_path: Path, busy_port: int) -> None:
    said: list[str] = []
    plan = make_plan(_wishes(tmp_path, web_port=busy_port), said.append)
    taken = int(plan.dashboard_url.rsplit(":", 1)[1])
    assert said == [f"port {busy_port} is in use, the dashboard takes {taken}"]
    web = next(service for service in plan.services if service.name == "web")
    assert web.env["WEB_PORT"] == str(taken)
    assert str(web.ready) == f"http://{HOST}:{taken}/healthz"


def test_services_start_behind_the_broker_and_get_its_url(tmp_path: Path) -> None:
    plan = make_plan(_wishes(tmp_path), pytest.fail)
    assert [service.name for service in plan.services] == ["broker", "web", "ingest", "node"]
    assert plan.services[0].holds_back_s == math.inf
    assert 0 < plan.services[2].holds_back_s < 10, (
        "the node waits for the one who subscribes, but not for ever"
    )
    assert {service.env["MQTT_URL"] for service in plan.services[1:]} == {plan.broker_url}
    assert plan.services[2].env["STORE_PATH"] == str(tmp_path / "sensorline.db")
    assert sum(service.stop_within_s for service in plan.services) < 10


def test_with_mqtt_url_no_broker_is_started_and_the_password_is_not_shown(tmp_path: Path) -> None:
    mqtt = MqttSettings(url="mqtts://me:secret@broker.example:8884")
    assert broker_is_given(mqtt)
    plan = make_plan(_wishes(tmp_path, mqtt=mqtt), pytest.fail)
    assert [service.name for service in plan.services] == ["web", "ingest", "node"]
    assert plan.broker_url == "mqtts://broker.example:8884"
    assert "MQTT_URL" not in plan.services[0].env, "the user's own setting reaches the services as it is"


def test_a_port_alone_does_not_name_a_broker() -> None:
    assert not broker_is_given(MqttSettings(port=1884))
    assert broker_is_given(MqttSettings(host="10.0.0.5"))


def test_what_the_user_set_is_not_replaced_by_defaults(tmp_path: Path) -> None:
    wishes = _wishes(tmp_path, sensors="simulated", log_level="debug", store_path=Path("elsewhere.db"))
    env = make_plan(wishes, pytest.fail).services[-1].env
    assert (env["NODE_SENSORS"], env["LOG_LEVEL"], env["STORE_PATH"]) == (
        "simulated",
        "debug",
        "elsewhere.db",
    )


def test_a_raspberry_pi_reads_its_own_sensors_too(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert default_sensors(model).split(",")[:2] == ["host", "pi"]
    assert "pi" not in default_sensors(tmp_path / "none").split(",")


def test_the_line_to_try_names_host_and_port_only_if_they_are_not_the_default(tmp_path: Path) -> None:
    mqtt = MqttSettings(url="mqtt://10.0.0.5")
    plan = make_plan(_wishes(tmp_path, mqtt=mqtt), pytest.fail)
    assert try_line(plan) == "mosquitto_pub -h 10.0.0.5 -t sensors/desk/temperature -m 21.5"
    plan = make_plan(_wishes(tmp_path), pytest.fail)
    assert try_line(plan).startswith(f"mosquitto_pub -p {plan.broker_port} -t ")


def test_a_second_start_in_the_same_folder_says_who_holds_it(tmp_path: Path) -> None:
    holder = f"in use by sensorline up, process {os.getpid()}:"
    with folder_lock(tmp_path), pytest.raises(StartupError, match=holder), folder_lock(tmp_path):
        pytest.fail("both hold it")
    with folder_lock(tmp_path):
        pass  # free again
