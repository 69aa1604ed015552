"""The first start and the later ones, on folders in place of volumes."""

import os
import subprocess
from pathlib import Path

import pytest

from sensorline.accounts import PasswordFile
from sensorline.compose import first_login, prepare
from sensorline.compose.volumes import VOLUMES, accounts
from sensorline.errors import SensorlineError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders to others: run as root")

FILES = Path(__file__).parents[3] / "mosquitto"


class Machine:
    """Empty volumes, and `start()` as the container init does it."""

    def __init__(self, folder: Path) -> None:
        self.volumes, self.given = folder / "volumes", folder / "given"
        for volume in VOLUMES:
            (self.volumes / volume.name).mkdir(parents=True)

    def start(self, *, host: str = "localhost", tls: bool = False) -> list[str]:
        """Prepare; return what was said."""
        said: list[str] = []
        prepare(self.volumes, FILES, broker_host=host, tls=tls, given=self.given, say=said.append)
        return said

    def contents(self) -> dict[str, bytes]:
        """Return every file by its path in the volumes."""
        return {
            str(p.relative_to(self.volumes)): p.read_bytes() for p in self.volumes.rglob("*") if p.is_file()
        }

    def certificate(self) -> str:
        """Return the broker's certificate in words, if the authority's signature is good."""
        folder = self.volumes / "broker-config" / "certs"
        verify = ["openssl", "verify", "-CAfile", "ca.crt", "server.crt"]
        assert subprocess.run(verify, cwd=folder, capture_output=True, timeout=20).returncode == 0
        show = ["openssl", "x509", "-in", "server.crt", "-noout", "-text"]
        return subprocess.run(show, cwd=folder, capture_output=True, text=True, timeout=20).stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_second_start_changes_nothing_and_tells_no_password(machine: Machine) -> None:
    assert "first login" in machine.start()[0]
    before = machine.contents()
    assert machine.start() == []
    assert machine.contents() == before


def test_every_account_has_a_password_in_its_own_volume_and_a_hash_at_the_broker(machine: Machine) -> None:
    machine.start()
    users = PasswordFile(machine.volumes / "broker-config").users()
    assert sorted(users) == sorted(accounts())
    passwords = {(machine.volumes / v / "mqtt-password").read_text() for v in accounts().values()}
    assert len(passwords) == len(users)
    for volume in VOLUMES:
        assert (machine.volumes / volume.name).stat().st_mode & 0o007 == 0


def test_a_start_that_ended_before_the_hash_was_written_is_mended(machine: Machine) -> None:
    machine.start()
    password = (machine.volumes / "secrets-web" / "mqtt-password").read_text()
    passwords = PasswordFile(machine.volumes / "broker-config")
    passwords.remove("web")
    machine.start()
    assert "web" in passwords.users()
    assert (machine.volumes / "secrets-web" / "mqtt-password").read_text() == password


def test_a_device_that_was_added_stays(machine: Machine) -> None:
    machine.start()
    PasswordFile(machine.volumes / "broker-config").set("desk", "secret")
    machine.start()
    assert "desk" in PasswordFile(machine.volumes / "broker-config").users()


def test_without_a_start_there_is_no_login(machine: Machine) -> None:
    with pytest.raises(SensorlineError, match="there is no login yet"):
        list(first_login(machine.volumes))


def test_a_certificate_is_made_for_the_hosts_name_and_again_only_for_another(machine: Machine) -> None:
    assert "certificate is new" in machine.start(host="broker.lan", tls=True)[0]
    assert "DNS:broker.lan" in machine.certificate()
    before = machine.contents()
    assert machine.start(host="broker.lan", tls=True) == []
    assert machine.contents() == before
    machine.start(host="192.0.2.7", tls=True)
    assert "IP Address:192.0.2.7" in machine.certificate()
    after = machine.contents()
    assert after["authority/ca.crt"] == before["authority/ca.crt"], "devices need no new one"
    machine.start()
    assert "broker-config/conf.d/tls.conf" not in machine.contents()


def test_a_given_certificate_is_taken(machine: Machine) -> None:
    machine.given.mkdir()
    (machine.given / "server.crt").write_text("theirs")
    with pytest.raises(SensorlineError, match=r"BROKER_CERTS: expected server\.crt and server\.key"):
        machine.start(tls=True)
    (machine.given / "server.key").write_text("their key")
    machine.start(tls=True)
    assert machine.contents()["broker-config/certs/server.crt"] == b"theirs"
    assert "authority/ca.key" not in machine.contents()
