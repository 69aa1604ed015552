"""The units are valid and hardened, and installing lays out exactly what uninstalling takes away."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

from sensorline.cli.config import all_groups

ROOT = Path(__file__).parents[3]
SERVICES = ("ingest", "web", "node")
PROGRAM = "/opt/sensorline/venv/bin/sensorline"
HAS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here: apt-get install systemd"
)


def make(target: str, folder: Path, *, code: int = 0, settings: Mapping[str, str] | None = None) -> str:
    """Run a make target with DESTDIR; make's own variables of an outer make are not passed on."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    # Recipes only: the prerequisites of other targets are not wanted, and there are none here.
    ran = subprocess.run(
        [
            "make",
            "--no-print-directory",
            target,
            f"DESTDIR={folder}",
            *(f"{k}={v}" for k, v in (settings or {}).items()),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def laid_out(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_installed_is_taken_away_again_but_never_settings(tmp_path: Path) -> None:
    make("install-pi", tmp_path)
    units = {f"etc/systemd/system/sensorline-{service}.service" for service in SERVICES}
    settings = {f"etc/sensorline/{service}.env" for service in SERVICES}
    assert laid_out(tmp_path) == units | settings
    for name in settings:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, "passwords will be in it"
    ours = tmp_path / "etc/sensorline/node.env"
    ours.write_text("NODE_NAME=desk\n")
    assert f"kept {ours}" in make("install-pi", tmp_path)
    assert ours.read_text() == "NODE_NAME=desk\n"
    assert f"{tmp_path}/etc/sensorline" in make("uninstall-pi", tmp_path)
    assert laid_out(tmp_path) == settings


def test_a_bare_node_gets_nothing_else(tmp_path: Path) -> None:
    make("install-pi", tmp_path, settings={"SERVICES": "node"})
    assert laid_out(tmp_path) == {"etc/systemd/system/sensorline-node.service", "etc/sensorline/node.env"}
    assert "there is no service 'nod'" in make("install-pi", tmp_path, code=2, settings={"SERVICES": "nod"})


@pytest.mark.skipif(os.geteuid() == 0, reason="for root there is nothing to refuse")
def test_without_root_it_says_what_it_needs() -> None:
    ran = subprocess.run(["sh", "deploy/install-pi"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert ran.returncode == 1
    assert "this needs root" in ran.stderr


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units as they will run, with a program that exists here."""
    program = tmp_path / "sensorline"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    out = []
    for service in SERVICES:
        text = (ROOT / f"deploy/systemd/sensorline-{service}.service").read_text()
        assert f"\nExecStart={PROGRAM} {service}\n" in text
        path = tmp_path / f"sensorline-{service}.service"
        path.write_text(text.replace(PROGRAM, str(program)))
        out.append(str(path))
    return out


@HAS_SYSTEMD
def test_systemd_understands_every_line(units: list[str]) -> None:
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in (ran.stdout + ran.stderr).splitlines() if "sensorline" in line]
    assert ours == []
    assert ran.returncode == 0, ran.stderr


@HAS_SYSTEMD
def test_the_units_are_exposed_to_little(units: list[str]) -> None:
    for unit in units:
        ran = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=25", unit],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if "unrecognized option" in ran.stderr:
            pytest.skip("systemd-analyze is older than 250: no `security --offline`")
        assert ran.returncode == 0, ran.stdout[-400:]


def test_the_node_may_use_i2c_and_gpio() -> None:
    text = (ROOT / "deploy/systemd/sensorline-node.service").read_text()
    groups = re.search(r"^SupplementaryGroups=(.*)$", text, re.MULTILINE)
    assert groups is not None
    assert {"i2c", "gpio"} <= set(groups[1].split())


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_in_an_environment_file_exists(service: str) -> None:
    known = {group.env_name(field) for group in all_groups() for field in group.fields}
    text = (ROOT / f"deploy/systemd/{service}.env").read_text()
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    assert named
    assert named <= known
    values = dotenv_values(ROOT / f"deploy/systemd/{service}.env")
    assert not [name for name in values if "PASSWORD" in name], "no secret is a default"
