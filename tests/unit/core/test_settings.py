"""Settings: where they come from, who wins, and what is said when they are wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from sensorline.errors import SettingsError
from sensorline.fields import MASK, Field, SecretStr, Settings
from sensorline.settings import LogSettings, MqttSettings, StoreSettings, load

Load = Callable[..., MqttSettings]


class PageSettings(Settings):
    """A group with what the shared ones lack."""

    env_prefix: ClassVar[str] = "PAGE_"
    title: ClassVar[str] = "Page"

    queue: str = Field("", pattern="^(redis://.*)?$", description="`redis://…`")
    is_open: bool = Field(False, description="open or not")
    token: SecretStr = Field(SecretStr(""), description="token")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("MQTT_", "STORE_", "LOG_", "PAGE_", "SENSORLINE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def mqtt(**flags: object) -> MqttSettings:
    return load(MqttSettings, flags=flags)[MqttSettings]


def problems(*groups: type[Settings], **flags: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(*groups, flags=flags)
    assert caught.value.exit_code == 2
    return [str(problem) for problem in caught.value.problems]


def test_nothing_configured_is_good() -> None:
    loaded = load(MqttSettings, StoreSettings, LogSettings)
    assert (loaded[MqttSettings].host, loaded[MqttSettings].port) == ("127.0.0.1", 1883)
    assert loaded[StoreSettings].path == Path("var/sensorline.db")
    assert [type(group) for group in loaded] == [MqttSettings, StoreSettings, LogSettings]


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert mqtt().host == "127.0.0.1"
    Path(".env").write_text("MQTT_HOST=from-file\nMQTT_USERNAME=file-user\n")
    assert mqtt().host == "from-file"
    monkeypatch.setenv("MQTT_HOST", "from-env")
    assert mqtt().host == "from-env"
    assert mqtt(MQTT_HOST="from-flag").host == "from-flag"
    assert mqtt(MQTT_HOST=None).host == "from-env"
    assert mqtt().username == "file-user"


def test_the_file_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.env").write_text("MQTT_HOST=other\n")
    monkeypatch.setenv("SENSORLINE_ENV_FILE", str(tmp_path / "other.env"))
    assert mqtt().host == "other"
    assert load(MqttSettings, env_file=tmp_path / "no.env")[MqttSettings].host == "127.0.0.1"


def test_empty_text_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("MQTT_HOST=from-file\n")
    for name in ("MQTT_HOST", "MQTT_PORT", "MQTT_CAFILE", "MQTT_PASSWORD_FILE", "MQTT_TLS"):
        monkeypatch.setenv(name, "")
    assert (mqtt().host, mqtt().port, mqtt().cafile, mqtt().tls) == ("from-file", 1883, None, False)


def test_every_problem_of_every_group_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PORT", "99999")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    found = problems(MqttSettings, StoreSettings, LogSettings, MQTT_KEEPALIVE_S="1", STORE_KEEP_RAW_DAYS="-1")
    assert [text.split(":")[0] for text in found] == [
        "MQTT_PORT=99999",
        "MQTT_KEEPALIVE_S=1",
        "STORE_KEEP_RAW_DAYS=-1",
        "LOG_LEVEL=loud",
    ]
    assert all("expected" in text for text in found)


@pytest.mark.parametrize("days", ["nan", "inf", "1e300", "-0.5", "a year"])
def test_days_are_a_sensible_number(days: str) -> None:
    assert problems(StoreSettings, STORE_KEEP_RAW_DAYS=days)[0].startswith(
        f"STORE_KEEP_RAW_DAYS={days}: expected"
    )


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret with blanks \n")
    monkeypatch.setenv("MQTT_PASSWORD_FILE", str(tmp_path / "pw"))
    assert mqtt().password.get_secret_value() == "s3cret with blanks "


def test_a_secret_and_its_file_are_one_setting_and_the_stronger_source_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pw").write_text("from-secret-file")
    Path(".env").write_text(f"MQTT_PASSWORD_FILE={tmp_path / 'pw'}\n")
    assert mqtt().password.get_secret_value() == "from-secret-file"
    monkeypatch.setenv("MQTT_PASSWORD", "from-env")
    assert mqtt().password.get_secret_value() == "from-env"
    assert mqtt(MQTT_PASSWORD="from-flag").password.get_secret_value() == "from-flag"
    Path(".env").write_text("MQTT_PASSWORD=from-file\n")
    monkeypatch.delenv("MQTT_PASSWORD")
    monkeypatch.setenv("MQTT_PASSWORD_FILE", str(tmp_path / "pw"))
    assert mqtt().password.get_secret_value() == "from-secret-file"
    assert mqtt(MQTT_PASSWORD="from-flag").password.get_secret_value() == "from-flag"


@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_a_secret_file_that_cannot_be_read_is_a_problem(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\xff")
    (found,) = problems(MqttSettings, MQTT_PASSWORD_FILE=str(path))
    assert found.startswith(f"MQTT_PASSWORD_FILE={path}: expected a readable file with the secret: ")


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "host").write_text("somewhere")
    assert mqtt(MQTT_HOST_FILE=str(tmp_path / "host")).host == "127.0.0.1"


def test_secrets_are_never_shown() -> None:
    settings = mqtt(MQTT_URL="mqtt://me:hunter2@broker", MQTT_PASSWORD="hunter3")
    shown = settings.shown()
    assert shown["MQTT_URL"] == shown["MQTT_PASSWORD"] == MASK
    assert shown["MQTT_USERNAME"] == "me"
    assert shown["MQTT_TLS"] == "false"
    assert shown["MQTT_CAFILE"] == ""
    assert "hunter" not in f"{shown} {settings!r} {settings}"
    assert mqtt().shown()["MQTT_PASSWORD"] == ""


def test_a_password_inside_another_setting_is_masked() -> None:
    page = load(PageSettings, flags={"PAGE_QUEUE": "redis://:hunter2@host/0"})[PageSettings]
    assert page.shown()["PAGE_QUEUE"] == f"redis://:{MASK}@host/0"


def test_problems_show_no_secrets() -> None:
    found = problems(
        MqttSettings,
        PageSettings,
        MQTT_URL="http://me:hunter2@broker",
        PAGE_QUEUE="amqp://me:hunter2@host",
        PAGE_IS_OPEN="maybe",
    )
    assert len(found) == 3
    assert "hunter2" not in str(found)
    assert found[0].startswith(f"MQTT_URL={MASK}: expected mqtt://")


@pytest.mark.parametrize(
    ("url", "host", "port", "transport", "tls"),
    [
        ("mqtt://broker", "broker", 1883, "tcp", False),
        ("mqtt://broker:2883", "broker", 2883, "tcp", False),
        ("mqtts://broker", "broker", 8883, "tcp", True),
        ("ws://broker", "broker", 80, "websockets", False),
        ("wss://broker:444/mqtt", "broker", 444, "websockets", True),
        ("mqtt://[::1]:1884", "::1", 1884, "tcp", False),
    ],
)
def test_a_url_sets_everything_at_once(url: str, host: str, port: int, transport: str, tls: bool) -> None:
    found = mqtt(MQTT_URL=url)
    assert (found.host, found.port, found.transport, found.tls) == (host, port, transport, tls)


def test_what_is_given_by_name_refines_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_URL", "mqtt://me:p%40ss@broker:1234")
    found = mqtt(MQTT_PORT="4321", MQTT_USERNAME="other")
    assert (found.host, found.port, found.username) == ("broker", 4321, "other")
    assert found.password.get_secret_value() == "p@ss"


@pytest.mark.parametrize(
    "url", ["broker", "http://broker", "mqtt://", "mqtt://:1883", "mqtt://broker:port", "mqtt://broker:99999"]
)
def test_a_url_that_is_none_is_a_problem(url: str) -> None:
    assert problems(MqttSettings, MQTT_URL=url)[0].startswith("MQTT_URL=")


@pytest.mark.parametrize("given", [{"MQTT_CERT": "a.pem"}, {"MQTT_KEY": "a.pem"}])
def test_a_certificate_and_its_key_go_together(given: dict[str, object]) -> None:
    (found,) = problems(MqttSettings, **given)
    assert "MQTT_CERT and MQTT_KEY together" in found
    assert mqtt(MQTT_CERT="a.pem", MQTT_KEY="b.pem").key == Path("b.pem")


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        mqtt().host = "other"  # type: ignore[misc]  # that is the point


def test_a_misspelt_name_in_the_env_file_is_told_with_the_nearest_setting(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MQTT_HOSTT=broker\nMQTT_PASSWORD_FILE=/dev/null\nOTHER=1\nSTORE_PATH=a.db\n")
    with pytest.raises(SettingsError) as caught:
        load(MqttSettings, StoreSettings, env_file=file)
    assert [p.name for p in caught.value.problems] == ["MQTT_HOSTT"]
    assert "did you mean MQTT_HOST?" in str(caught.value)


def test_whoever_names_authorities_to_trust_means_tls() -> None:
    assert load(MqttSettings, flags={"MQTT_CAFILE": "ca.pem"})[MqttSettings].tls
    assert not load(MqttSettings, flags={"MQTT_CAFILE": "ca.pem", "MQTT_TLS": "false"})[MqttSettings].tls
