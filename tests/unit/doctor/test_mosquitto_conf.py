"""What the doctor reads in a Mosquitto's configuration, and what it makes of it."""

from pathlib import Path

import pytest

from sensorline.doctor import configuration, identity, mosquitto_conf
from sensorline.doctor.findings import Finding, Level
from sensorline.settings import MqttSettings

FILES = Path(__file__).parents[3] / "mosquitto"


def judged(folder: Path, text: str) -> dict[str, Finding]:
    """Return the findings about a configuration by their checks; of several on one check, the last."""
    path = folder / "mosquitto.conf"
    path.write_text(text)
    return {finding.check: finding for finding in configuration.judge(mosquitto_conf.parse(path))}


def test_our_own_files_have_nothing_to_be_said_against(tmp_path: Path) -> None:
    text = (FILES / "mosquitto.conf").read_text().replace("/mosquitto/config/", f"{tmp_path}/")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/tls.conf").write_text((FILES / "tls.conf").read_text())
    found = judged(tmp_path, text)
    assert {finding.level for finding in found.values()} == {Level.FINE}
    listeners = mosquitto_conf.parse(tmp_path / "mosquitto.conf").listeners
    assert [listener.port for listener in listeners] == [1883, 8883], "what is included was read"


@pytest.mark.parametrize(
    ("line", "check", "level", "fix"),
    [
        ("persistence false", "persistence", Level.PROBLEM, "persistence true"),
        ("persistence true", "persistence", Level.WARNING, "autosave_interval 30"),
        ("persistence true\nautosave_interval 0", "persistence", Level.WARNING, "autosave_interval 30"),
        ("persistence true\nautosave_interval 30", "persistence", Level.FINE, ""),
        ("persistent_client_expiration 2h", "expiration", Level.PROBLEM, "persistent_client_expiration 30d"),
        ("message_size_limit 100000", "message_size_limit", Level.PROBLEM, "max_packet_size"),
        ("queue_qos0_messages true", "queue_qos0", Level.WARNING, "queue_qos0_messages false"),
        ("per_listener_settings true", "per_listener_settings", Level.WARNING, "per_listener_settings false"),
        ("listener 1883", "listeners", Level.PROBLEM, "use_username_as_clientid true"),
        (
            "listener 1883\nuse_username_as_clientid true\nallow_anonymous true",
            "listeners",
            Level.WARNING,
            "allow_anonymous false",
        ),
    ],
)
def test_each_line_that_matters_is_judged_and_mended(
    tmp_path: Path, line: str, check: str, level: Level, fix: str
) -> None:
    found = judged(tmp_path, line)[check]
    assert (found.level, fix in found.fix) == (level, True)


def test_a_listener_that_forgets_what_the_other_one_says_is_named(tmp_path: Path) -> None:
    found = judged(
        tmp_path, "listener 1883 127.0.0.1\nuse_username_as_clientid true\nlistener 8883\ncertfile x\n"
    )
    assert "on the listener 8883" in found["listeners"].says


@pytest.mark.parametrize(
    "line", ["listener 1883 127.0.0.1", "", "# listener 1883", "persistent_client_expiration 14d"]
)
def test_what_only_this_machine_reaches_and_what_lasts_long_is_not_blamed(tmp_path: Path, line: str) -> None:
    assert not {"listeners", "expiration"} & judged(tmp_path, line).keys()


class Machine:
    """A /proc with one broker in it."""

    def __init__(self, folder: Path, number: int = 1) -> None:
        self.proc = folder / "proc"
        self.process = self.proc / str(number)
        (self.process / "root/etc").mkdir(parents=True)
        self.conf = self.process / "root/etc/m.conf"
        self.conf.write_text("listener 1884\n")
        (self.process / "cmdline").write_bytes(b"/usr/sbin/mosquitto\0-c\0/etc/m.conf\0")

    def find(self, port: int, *, is_here: bool) -> mosquitto_conf.Configuration | None:
        """Look for the broker on a port."""
        return mosquitto_conf.find(port, None, is_here=is_here, proc=self.proc)


def test_the_file_is_that_of_the_process_on_our_port(tmp_path: Path) -> None:
    machine = Machine(tmp_path, number=4711)
    found = machine.find(1884, is_here=True)
    assert found is not None
    assert str(found.path) == "/etc/m.conf", "as the broker names it"
    assert machine.find(1883, is_here=True) is None
    # With a broker on another machine a process here is somebody else's, unless we share its container.
    assert machine.find(1884, is_here=False) is None
    assert Machine(tmp_path / "container").find(1884, is_here=False) is not None


@pytest.mark.parametrize(
    ("settings", "follows", "level"),
    [
        ({"host": "broker.lan", "username": "admin"}, True, Level.FINE),
        ({"host": "broker.lan", "username": "admin"}, False, Level.PROBLEM),
        ({"host": "broker.lan"}, False, Level.PROBLEM),
        ({"host": "127.0.0.1"}, False, Level.FINE),
        ({"host": "localhost", "username": "admin"}, False, Level.PROBLEM),
    ],
)
def test_whose_a_session_is_matters_where_there_are_others(
    settings: dict[str, str], follows: bool, level: Level
) -> None:
    assert identity.judge(MqttSettings(**settings), follows).level is level
