"""Volumes as one archive and back. As root the owners come back, too: tests/compose shows that."""

import io
import tarfile
from pathlib import Path

import pytest

from sensorline.compose import load, save
from sensorline.compose.volumes import VOLUMES
from sensorline.errors import SensorlineError


def empty_volumes(folder: Path) -> Path:
    for volume in VOLUMES:
        (folder / volume.name).mkdir(parents=True)
    return folder


def archive_of(folder: Path) -> bytes:
    out = io.BytesIO()
    save(folder, out)
    return out.getvalue()


@pytest.fixture
def full(tmp_path: Path) -> Path:
    folder = empty_volumes(tmp_path / "full")
    (folder / "secrets-web" / "mqtt-password").write_text("secret")
    (folder / "secrets-web" / "mqtt-password").chmod(0o400)
    (folder / "broker-config" / "conf.d").mkdir()
    (folder / "broker-data" / "mosquitto.db").write_bytes(bytes(100_000))
    (folder / "influxdb-data" / "influxd.bolt").write_text("saved by influx backup instead")
    return folder


def test_what_is_saved_comes_back_as_it_was(full: Path, tmp_path: Path) -> None:
    to = empty_volumes(tmp_path / "new")
    assert " by Sensorline " in load(to, io.BytesIO(archive_of(full)))
    password = to / "secrets-web" / "mqtt-password"
    assert password.read_text() == "secret"
    assert password.stat().st_mode & 0o777 == 0o400
    assert (to / "broker-data" / "mosquitto.db").read_bytes() == bytes(100_000)
    assert (to / "broker-config" / "conf.d").is_dir()
    assert not any((to / "influxdb-data").iterdir())


def test_volumes_that_hold_data_are_left_alone(full: Path) -> None:
    before = sorted(full.rglob("*"))
    with pytest.raises(SensorlineError, match="4 volumes hold data already"):
        load(full, io.BytesIO(archive_of(full)))
    assert sorted(full.rglob("*")) == before


def test_another_archive_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    to = empty_volumes(tmp_path / "new")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("secrets-web/mqtt-password"))
    with pytest.raises(SensorlineError, match="not a backup of Sensorline"):
        load(to, io.BytesIO(out.getvalue()))
    with pytest.raises(SensorlineError, match="cannot be read to its end"):
        load(to, io.BytesIO(b"no archive at all"))
    assert not any((to / "secrets-web").iterdir())


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "elsewhere/x", "secrets-web/../../outside"])
def test_an_entry_outside_the_volumes_is_refused(full: Path, tmp_path: Path, name: str) -> None:
    to = empty_volumes(tmp_path / "new")
    good = io.BytesIO(archive_of(full))
    out = io.BytesIO()
    with tarfile.open(fileobj=good) as first, tarfile.open(fileobj=out, mode="w:gz") as archive:
        manifest = first.next()
        assert manifest
        archive.addfile(manifest, first.extractfile(manifest))
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(SensorlineError, match="belongs to no volume"):
        load(to, io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("eighths", range(1, 8))
def test_a_broken_archive_says_what_to_do(full: Path, tmp_path: Path, eighths: int) -> None:
    whole = archive_of(full)
    with pytest.raises(SensorlineError, match=r"cannot be read to its end .*down --volumes"):
        load(empty_volumes(tmp_path / "new"), io.BytesIO(whole[: len(whole) * eighths // 8]))


def test_an_archive_that_ends_between_two_files_is_broken_too(full: Path, tmp_path: Path) -> None:
    """As tar sees it, the end of the bytes is an end of the archive."""
    with tarfile.open(fileobj=io.BytesIO(archive_of(full))) as whole:
        members = [(entry, whole.extractfile(entry)) for entry in whole]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as shorter:
            for entry, file in members[:-1]:
                shorter.addfile(entry, file)
    with pytest.raises(SensorlineError, match="cannot be read to its end"):
        load(empty_volumes(tmp_path / "new"), io.BytesIO(out.getvalue()))
