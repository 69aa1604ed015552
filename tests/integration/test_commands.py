"""The `sensorline` command as people use it: dead letters, explain, config, and settings that are wrong."""

import re
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.processes import run_sensorline
from tests.support.publishers import Client
from tests.support.waiting import wait_until


def test_dead_letters_are_listed_shown_replayed_and_dropped(
    any_broker: Broker, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    device = unique("letters")
    ingest = make_ingest(any_broker, INGEST_MAX_METRICS_PER_DEVICE=1).start_ready()
    with Client(any_broker.port) as client:
        client.publish(f"sensors/{device}/first", "1.5")
        client.publish(f"sensors/{device}/second", "2.5")  # A mistake of the settings, mended below.
        client.publish(f"sensors/{device}/first", b"\xff\x00 not a number")
    wait_until(lambda: len(stored.dead_letters(ingest.store)) == 2, 10, "two dead letters")
    store = ("dead-letters", "--store", str(ingest.store))

    def run(*arguments: str, code: int = 0) -> tuple[bytes, str]:
        done = run_sensorline(*store, *arguments, folder=tmp_path, settings=any_broker.environment)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout, done.stderr.decode()

    lines = run("list")[0].decode().splitlines()
    assert len(lines) == 2
    assert "payload_not_utf8" in lines[0], "the newest comes first"
    assert f"sensors/{device}/second" in lines[1]
    assert "too_many_metrics" in lines[1]
    newest, oldest = (line.split()[0] for line in lines)

    payload, facts = run("show", newest)
    assert payload.rstrip(b"\n") == b"\xff\x00 not a number"
    assert f"topic     sensors/{device}/first" in facts
    assert "reason    payload_not_utf8" in facts
    assert "there is no dead letter 99" in run("show", "99", code=1)[1]

    ingest.stop()
    ingest.settings["INGEST_MAX_METRICS_PER_DEVICE"] = 10
    ingest.start_ready()
    assert run("replay", oldest)[0] == b"replayed 1\n"
    wait_until(lambda: stored.count(ingest.store) == 2, 10, "the replayed reading")
    assert {(d, m, v) for d, m, _, v in stored.points(ingest.store)} == {
        (device, "first", 1.5),
        (device, "second", 2.5),
    }
    # What is still wrong is rejected anew, under a new number.
    assert run("replay", newest)[0] == b"replayed 1\n"
    wait_until(
        lambda: [str(d.id) != newest for d in stored.dead_letters(ingest.store)] == [True], 10, "it to return"
    )
    assert run("drop", "--all")[0] == b"dropped 1\n"
    assert "no rejected messages" in run("list")[1]
    assert "give numbers" in run("drop", code=2)[1]


@pytest.mark.parametrize(
    ("topic", "payload", "code", "expected"),
    [
        (
            "sensors/desk/temperature",
            "21.5",
            0,
            r"decoder   native\nreading   desk: temperature = 21\.5 at .*",
        ),
        ("sensors/desk/door", "open", 0, r"reading   desk: door = 1 at .*received time"),
        ("sensors/desk/temperature", "abc", 1, r"rejected  value_not_a_number: 'abc' is neither"),
        ("elsewhere", "1", 1, r"rejected  topic_unknown: "),
        ("sensors/desk/$status", "online", 0, r"fact      desk: status online"),
    ],
)
def test_explain_says_what_a_message_becomes(
    tmp_path: Path, topic: str, payload: str, code: int, expected: str
) -> None:
    done = run_sensorline("explain", topic, payload, folder=tmp_path)
    assert (done.returncode, done.stderr) == (code, b"")
    assert re.search(expected, done.stdout.decode()), done.stdout.decode()


def test_explain_takes_the_payload_from_standard_input(tmp_path: Path) -> None:
    done = run_sensorline("explain", "sensors/desk/t", "-", folder=tmp_path, stdin=b'{"value":1,"seq":7}')
    assert done.returncode == 0
    assert b"seq 7" in done.stdout


def test_config_prints_what_is_in_force_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MQTT_PORT=1884\nMQTT_HOST=from-env-file\n")
    secret = tmp_path / "secret"
    secret.write_text("hush-from-file\n")
    done = run_sensorline(
        "config",
        "-h",
        "from-flag",
        folder=tmp_path,
        settings={
            "MQTT_PASSWORD_FILE": secret,
            "MQTT_URL": "mqtt://me:hush-in-url@elsewhere:1999",
            "LOG_LEVEL": "debug",
        },
    )
    shown = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    # Flag before environment before .env before default; what was given by name refines the URL.
    assert "MQTT_HOST=from-flag\n" in shown
    assert "MQTT_PORT=1884\n" in shown
    assert "MQTT_USERNAME=me\n" in shown
    assert "LOG_LEVEL=debug\n" in shown
    assert "MQTT_PASSWORD=********\n" in shown
    assert "hush" not in shown


def test_bad_settings_are_all_listed_and_nothing_is_started(tmp_path: Path) -> None:
    done = run_sensorline(
        "ingest",
        folder=tmp_path,
        settings={
            "MQTT_PORT": "seventy",
            "MQTT_KEEPALIVE_S": 1,
            "MQTT_PASSWORD_FILE": tmp_path / "missing",
            "INGEST_BATCH_MAX": 0,
            "STORE_KEEP_RAW_DAYS": -1,
            "LOG_LEVEL": "loud",
        },
    )
    told = done.stderr.decode()
    assert done.returncode == 2
    assert "6 bad settings, nothing started:" in told
    for name, value in (
        ("MQTT_PORT", "seventy"),
        ("MQTT_KEEPALIVE_S", "1"),
        ("MQTT_PASSWORD_FILE", str(tmp_path / "missing")),
        ("INGEST_BATCH_MAX", "0"),
        ("STORE_KEEP_RAW_DAYS", "-1"),
        ("LOG_LEVEL", "loud"),
    ):
        (line,) = [line for line in told.splitlines() if line.strip().startswith(f"{name}={value}: ")]
        assert "expected" in line
    assert list(tmp_path.iterdir()) == [], "something was started or written"


def test_a_busy_health_port_is_one_clear_line_and_exit_code_1(
    any_broker: Broker, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    first = make_ingest(any_broker, "first").start_ready()
    port = first.url.rsplit(":", 1)[1]
    second = make_ingest(any_broker, "second", INGEST_CLIENT_ID="second", INGEST_HTTP_PORT=port)
    second.start()
    assert second.wait(10) == 1
    assert f"sensorline: INGEST_HTTP_PORT={port}: cannot listen on 127.0.0.1" in second.output()
    assert "Traceback" not in second.output()
