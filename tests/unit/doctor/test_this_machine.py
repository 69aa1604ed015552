"""What the doctor says of disk, clock and files of this machine."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorline.doctor import clock, disk, permissions
from sensorline.doctor.findings import Finding, Level

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
23 22 0:5 / /mnt/my\\040share rw - nfs4 server:/share rw
24 22 0:6 / /run rw - tmpfs tmpfs rw
25 22 0:7 / /run/disk rw - vfat /dev/sdb1 rw
26 22 0:8 / /run/disk rw - ext4 /dev/sdb2 rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv", "ext4"),
        ("/mnt/my share/x", "nfs4"),
        ("/run/x", "tmpfs"),
        ("/run/disk/x", "ext4"),
        ("/runner", "ext4"),
    ],
)
def test_the_file_system_is_the_innermost_and_newest_mount(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert disk.file_system(Path(folder), mounts) == kind


@pytest.mark.parametrize(
    ("kind", "level"),
    [("tmpfs", Level.PROBLEM), ("nfs4", Level.PROBLEM), ("vfat", Level.WARNING), ("ext4", None)],
)
def test_a_file_system_that_does_not_keep_its_word_is_named(
    tmp_path: Path, kind: str, level: Level | None
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - {kind} x rw\n")
    found = [f.level for f in disk.look(tmp_path, None, mounts) if f.check == "file_system"]
    assert found == ([level] if level else [])


@pytest.mark.parametrize(
    ("days", "level"), [(1, Level.PROBLEM), (10, Level.WARNING), (1_000, Level.FINE), (1e9, Level.FINE)]
)
def test_room_is_told_in_days_at_the_present_rate(tmp_path: Path, days: float, level: Level) -> None:
    here = os.statvfs(tmp_path)
    free = here.f_bavail * here.f_frsize
    assert free > disk.FEW_FREE_BYTES, "this test needs half a gigabyte free"
    (found,) = (f for f in disk.look(tmp_path / "not/there", free / days / disk.DAY_S) if f.check == "room")
    assert found.level is level
    assert ("more than ten years" if days > 3_650 else "days") in found.says


def test_a_clock_that_was_never_set_is_a_problem_and_one_that_nobody_keeps_right_a_warning() -> None:
    def levels(now_s: float, synchronised: bool | None) -> list[Level]:
        return [finding.level for finding in clock.look(now_s, synchronised)]

    assert levels(300.0, False) == [Level.PROBLEM]
    assert levels(1.8e9, False) == [Level.WARNING]
    assert levels(1.8e9, True) == [Level.FINE]
    assert levels(1.8e9, None) == [Level.UNSEEN]


def test_the_kernel_is_asked_whether_the_clock_is_kept_right() -> None:
    assert clock.is_synchronised() in (True, False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can come into: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def look(folder: Path, mode: int, *, is_secret: bool = True) -> Finding:
    path = folder / "a file"
    path.write_text("x")
    path.chmod(mode)
    (found,) = permissions.look([path] if is_secret else [], [] if is_secret else [path])
    return found


@pytest.mark.parametrize(
    ("mode", "level", "fix"),
    [
        (0o600, Level.FINE, ""),
        (0o640, Level.FINE, ""),
        (0o644, Level.WARNING, "chmod 600 "),
        (0o666, Level.PROBLEM, "chmod o-w "),
    ],
)
def test_secrets_that_others_may_read_or_change_are_named(
    open_folder: Path, mode: int, level: Level, fix: str
) -> None:
    found = look(open_folder, mode)
    assert found.level is level
    assert found.fix == (f"{fix}'{open_folder}/a file'" if fix else "")


def test_a_store_keeps_its_group_when_others_are_shut_out(open_folder: Path) -> None:
    assert look(open_folder, 0o644, is_secret=False).fix.startswith("chmod o= ")


def test_a_closed_folder_closes_what_is_in_it(open_folder: Path) -> None:
    inner = open_folder / "closed"
    inner.mkdir(mode=0o700)
    assert look(inner, 0o666).level is Level.FINE


def test_files_that_settings_name_and_an_env_file_with_a_secret_are_looked_at(tmp_path: Path) -> None:
    env_file, password = tmp_path / ".env", tmp_path / "password"
    password.write_text("x")
    env_file.write_text("MQTT_HOST=broker.lan\n#MQTT_PASSWORD=x\n")
    named = {"MQTT_PASSWORD_FILE": str(password), "SSL_CERT_FILE": str(password), "MQTT_URL_FILE": "/gone"}

    def found() -> list[Path]:
        return permissions.with_secrets(named, ["MQTT_PASSWORD_FILE", "MQTT_URL_FILE"], env_file, [])

    assert password in found()
    assert env_file not in found()
    env_file.write_text("MQTT_PASSWORD=x\n")
    assert env_file in found()
