"""Brokers that `sensorline up` starts: really started, really asked."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from sensorline.errors import StartupError
from sensorline.up import broker
from sensorline.up.ports import next_free_port

DEADLINE_S = 20.0


def _until(condition: Callable[[], bool], reason: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{reason} within {DEADLINE_S} s"
        time.sleep(0.02)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((broker.HOST, port)) == 0


def _start(kind: str, folder: Path, port: int) -> subprocess.Popen[str]:
    service = broker.own_broker(kind, port, folder)
    process = subprocess.Popen(
        service.argv, env=dict(service.env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    _until(lambda: _accepts(port), f"{kind} listens")
    return process


def _stop(process: subprocess.Popen[str]) -> str:
    """Stop it as the supervisor does and return what it printed."""
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    return printed


@pytest.fixture(params=["mosquitto", "amqtt"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto" and broker.find_mosquitto() is None:
        pytest.skip("no mosquitto here: apt-get install mosquitto")
    return str(request.param)


def test_a_private_broker_serves_without_password_and_stops_quietly(kind: str, tmp_path: Path) -> None:
    port = next_free_port(broker.HOST, 0)
    process = _start(kind, tmp_path, port)
    got: list[bytes] = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: got.append(message.payload)
    client.connect(broker.HOST, port)
    client.subscribe("a", qos=1)
    client.loop_start()
    large = b"x" * (2 * 1024 * 1024)
    client.publish("a", large, qos=1)
    _until(lambda: got == [large], "two MiB come back")
    client.disconnect()
    client.loop_stop()
    # Mosquitto says so to root, whom containers use; nothing else.
    assert _stop(process) in ("", "Warning: Mosquitto should not be run as root/administrator.\n")


def test_a_private_broker_listens_on_loopback_only(kind: str, tmp_path: Path) -> None:
    port = next_free_port(broker.HOST, 0)
    process = _start(kind, tmp_path, port)
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == port
    ]
    _stop(process)
    assert listening == [f"0100007F:{port:04X}"]


def test_mosquitto_keeps_what_waits_for_a_subscriber_over_a_restart(tmp_path: Path) -> None:
    if broker.find_mosquitto() is None:
        pytest.skip("no mosquitto here: apt-get install mosquitto")
    port = next_free_port(broker.HOST, 0)
    process = _start("mosquitto", tmp_path, port)

    def connected() -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="keeper", clean_session=False)
        client.on_message = lambda _client, _data, message: got.append(message.payload)
        client.connect(broker.HOST, port)
        return client

    got: list[bytes] = []
    subscribed: list[int] = []
    client = connected()
    client.on_subscribe = lambda _client, _data, mid, _codes, _properties: subscribed.append(mid)
    client.subscribe("a", qos=1)
    client.loop_start()
    _until(lambda: bool(subscribed), "the subscription is confirmed")
    client.disconnect()
    client.loop_stop()
    publisher = paho.Client(CallbackAPIVersion.VERSION2)
    publisher.connect(broker.HOST, port)
    publisher.loop_start()
    publisher.publish("a", b"waits", qos=1).wait_for_publish(DEADLINE_S)
    publisher.disconnect()
    publisher.loop_stop()
    _stop(process)
    process = _start("mosquitto", tmp_path, port)
    client = connected()
    client.loop_start()
    _until(lambda: got == [b"waits"], "the waiting message arrives")
    client.disconnect()
    client.loop_stop()
    _stop(process)


def test_every_setting_in_the_configuration_has_its_reason_above_it(tmp_path: Path) -> None:
    blocks = broker.mosquitto_conf(1884, tmp_path).split("\n\n")
    assert all(block.startswith("#") for block in blocks)
    assert "listener 1884 127.0.0.1" in broker.mosquitto_conf(1884, tmp_path)
    assert ("user root" in broker.mosquitto_conf(1884, tmp_path)) == (os.geteuid() == 0)


def test_mosquitto_is_found_where_debian_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_SBIN", (str(tmp_path / "sbin"),))
    assert broker.find_mosquitto() is None
    (tmp_path / "sbin").mkdir()
    binary = tmp_path / "sbin" / "mosquitto"
    binary.touch(0o755)
    assert broker.find_mosquitto() == str(binary)


def test_without_mosquitto_amqtt_is_taken_unless_mosquitto_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_SBIN", ())
    assert "sensorline.up.amqtt_broker" in broker.own_broker("auto", 1883, tmp_path).argv
    with pytest.raises(StartupError, match="apt-get install mosquitto"):
        broker.own_broker("mosquitto", 1883, tmp_path)
