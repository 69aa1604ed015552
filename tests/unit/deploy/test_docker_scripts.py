"""What `make up` and its like say where Docker cannot be used: one line, which says what to do."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = ("up", "backup", "restore", "upgrade-check")


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with nothing but what is in `folder` on the PATH."""
    return subprocess.run(
        ["/bin/sh", f"deploy/docker/{script}"],
        cwd=ROOT,
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=20,
    )


def put_docker(folder: Path, text: str) -> None:
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{text}\n")
    docker.chmod(0o755)


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_docker_one_line_says_so(tmp_path: Path, script: str) -> None:
    ran = run(script, tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith(f"make {script}: there is no Docker here")


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_compose_one_line_says_so(tmp_path: Path, script: str) -> None:
    put_docker(tmp_path, "exit 1")
    ran = run(script, tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "has no Compose: install the package docker-compose-plugin" in ran.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_daemon_one_line_says_so(tmp_path: Path, script: str) -> None:
    put_docker(tmp_path, 'test "$1" = compose')
    ran = run(script, tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "Docker does not answer: is it started" in ran.stderr
