"""NODE_… settings: defaults that work, and errors that say what is known."""

from pathlib import Path
from typing import Any

import pytest

from sensorline.errors import SettingsError
from sensorline.settings import load
from sensorline.topics import check_device
from sensorline_node import settings as module
from sensorline_node.settings import NodeSettings


def loaded(**flags: Any) -> NodeSettings:
    return load(NodeSettings, flags=flags, env_file=Path("/nonexistent"))[NodeSettings]


def test_with_nothing_set_a_node_measures_its_host_under_its_host_name() -> None:
    s = loaded()
    assert s.name == check_device(s.name)
    assert s.sensors == ("host",)
    assert s.outbox_path == Path(f"var/node-{s.name}.db")
    assert s.client_id == f"sensorline-node-{s.name}"


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in NodeSettings.fields.values())


@pytest.mark.parametrize(
    ("host", "device"), [("desk.lan", "desk"), ("", "node"), ("$odd", "node"), ("a+b", "node")]
)
def test_a_host_name_that_no_topic_can_hold_is_replaced(
    host: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.socket, "gethostname", lambda: host)
    assert module.host_device_name() == device


def test_sensors_are_a_comma_separated_list_without_repetition() -> None:
    assert loaded(NODE_SENSORS=" host, bme280,host ").sensors == ("host", "bme280")


def test_settings_are_shown_as_they_can_be_given() -> None:
    shown = loaded(NODE_SENSORS="host,simulated", NODE_REPLAY_SPEED="MAX").shown()
    assert shown["NODE_SENSORS"] == "host,simulated"
    assert shown["NODE_REPLAY_SPEED"] == "max"


def test_an_unknown_sensor_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r"bme280, host, lm_sensors, pi.*not known: thermometer"):
        loaded(NODE_SENSORS="host,thermometer")


def test_a_device_with_slashes_still_has_one_outbox_file() -> None:
    s = loaded(NODE_NAME="house/attic")
    assert s.outbox_path == Path("var/node-house-attic.db")
    assert s.client_id == "sensorline-node-house/attic"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NODE_NAME", "a//b", "empty level"),
        ("NODE_NAME", "#", "wildcards"),
        ("NODE_SENSORS", ",", "expected a comma separated list"),
        ("NODE_SENSORS", "replay", "expected a CSV file"),
        ("NODE_INTERVAL_S", "0.01", "0.1"),
        ("NODE_BME280_ADDRESS", "0x50", "0x76"),
        ("NODE_BME280_ADDRESS", "seven", "0x76 or 0x77"),
        ("NODE_REPLAY_SPEED", "0", "above 0, or `max`"),
        ("NODE_REPLAY_SPEED", "inf", "above 0, or `max`"),
        ("NODE_LOCATION", "a\nb", "printable"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(**{name: value})
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["0x77", "119"])
def test_an_address_may_be_hexadecimal(text: str) -> None:
    assert loaded(NODE_BME280_ADDRESS=text).bme280_address == 0x77
