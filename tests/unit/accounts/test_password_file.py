"""The password file is Mosquitto's, is never half-written, and keeps what is not ours."""

import base64
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from sensorline.accounts import PasswordFile, hash_line, new_password
from sensorline.errors import SensorlineError


def test_a_line_is_what_mosquitto_computes_from_the_password() -> None:
    user, _, rest = hash_line("house/attic", "secret").partition(":")
    empty, kind, iterations, salt, digest = rest.split("$")
    assert (user, empty, kind) == ("house/attic", "", "7")
    assert len(base64.b64decode(salt)) == 12
    assert base64.b64decode(digest) == hashlib.pbkdf2_hmac(
        "sha512", b"secret", base64.b64decode(salt), int(iterations)
    )
    assert hash_line("a", "secret") != hash_line("a", "secret"), "each line has a salt of its own"


def test_passwords_are_long_differ_and_need_no_quotes() -> None:
    many = {new_password() for _ in range(500)}
    assert len(many) == 500
    for password in many:
        assert len(password) == 32
        assert password.replace("-", "").replace("_", "").isalnum()
        assert not password.startswith("-")


def test_users_are_set_and_removed_and_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text("# by hand\ntheirs:$7$101$c2FsdA==$aGFzaA==\n")
    path.chmod(0o644)
    file = PasswordFile(tmp_path)
    assert file.set("desk", "one")
    first = path.read_text()
    assert not file.set("desk", "two"), "it was there already"
    assert path.read_text() != first
    assert file.users() == ["theirs", "desk"]
    assert path.read_text().startswith("# by hand\ntheirs:$7$101$c2FsdA==$aGFzaA==\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert file.remove("desk")
    assert not file.remove("desk")
    assert file.users() == ["theirs"]
    assert [p.name for p in tmp_path.iterdir()] == ["passwd"], "nothing else is left behind"


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=PasswordFile(tmp_path).set, args=(f"device-{n}", "secret")) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(PasswordFile(tmp_path).users()) == sorted(f"device-{n}" for n in range(20))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_file_keeps_its_owner_so_that_the_broker_can_read_it_again(tmp_path: Path) -> None:
    (tmp_path / "passwd").touch()
    os.chown(tmp_path / "passwd", 1883, 1884)
    PasswordFile(tmp_path).set("desk", "secret")
    found = (tmp_path / "passwd").stat()
    assert (found.st_uid, found.st_gid) == (1883, 1884)


def test_a_folder_that_is_not_there_is_named_in_one_line(tmp_path: Path) -> None:
    file = PasswordFile(tmp_path / "nowhere")
    assert file.users() == []
    with pytest.raises(SensorlineError, match="nowhere: No such file or directory; --folder names"):
        file.set("desk", "secret")


def test_a_file_that_is_not_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_bytes(b"\xff\xfe")
    with pytest.raises(SensorlineError, match="it is not text"):
        PasswordFile(tmp_path).set("desk", "secret")
    assert (tmp_path / "passwd").read_bytes() == b"\xff\xfe"
