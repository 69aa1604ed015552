"""`sensorline device`: what it prints, and each mistake in one clear line before anything is changed."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from sensorline.accounts import PasswordFile
from sensorline.cli import cli
from sensorline.errors import SensorlineError


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["device", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_printed_env_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    where = ("--folder", str(tmp_path), "-h", "broker.lan", "--cafile", "/etc/it's mine/ca.crt")
    said = run("add", "küche/café 2", *where)
    (tmp_path / ".env").write_text(said[said.index("# .env") :])
    env = dotenv_values(tmp_path / ".env")
    password = env.pop("MQTT_PASSWORD")
    assert env == {
        "NODE_NAME": "küche/café 2",
        "MQTT_HOST": "broker.lan",
        "MQTT_PORT": "8883",
        "MQTT_TLS": "true",
        "MQTT_CAFILE": "/etc/it's mine/ca.crt",
        "MQTT_USERNAME": "küche/café 2",
    }
    assert said.count(str(password)) == 2, "in the publisher's line and in .env"
    assert str(password) not in PasswordFile(tmp_path).path.read_text()


def test_tls_is_left_out_on_another_port_and_trusts_the_system_without_a_file(tmp_path: Path) -> None:
    assert "--tls-use-os-certs" in run("add", "a", "--folder", str(tmp_path))
    plain = run("add", "b", "--folder", str(tmp_path), "-p", "1883")
    assert "--tls" not in plain
    assert "MQTT_TLS" not in plain


def test_a_service_gets_its_user_and_no_device_name(tmp_path: Path) -> None:
    said = run("add", "--service", "ingest", "--folder", str(tmp_path), "-p", "1883")
    assert "MQTT_USERNAME=ingest" in said
    assert "NODE_NAME" not in said
    assert "mosquitto_pub" not in said
    assert "ingest                   service" in run("list", "--folder", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "a:b"], "colon"),
        (["add", "--service", "desk"], "no service; expected one of ingest, web, admin"),
        (
            ["add", "new", "--reload-pid", "/nowhere/pid"],
            "No such file or directory; expected the process id",
        ),
        (["add", "new", "--reload-pid", str(os.getpid())], "not mosquitto; nothing was changed"),
        (["add", "new", "--password-to", "/nowhere/secret"], "nothing was changed"),
        (["remove", "unknown"], "there is no 'unknown' in"),
    ],
)
def test_a_mistake_is_one_clear_line_and_changes_nothing(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(SensorlineError) as caught:
        CliRunner().invoke(cli, ["device", *arguments, "--folder", str(tmp_path)], catch_exceptions=False)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
