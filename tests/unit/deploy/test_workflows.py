"""The workflow is valid, runs what the Makefile has, and takes other people's actions by commit only."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.containers import INFLUXDB_IMAGE
from tests.support.groups import GROUPS

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_action_is_pinned_by_commit_and_says_its_version(path: Path) -> None:
    for used in re.findall(r"^\s*(?:- )?uses: (.+)$", path.read_text(), re.MULTILINE):
        if not used.startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_every_make_target_in_a_workflow_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([a-z-]+)", path.read_text())) <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_uses_the_influxdb_that_the_tests_pin(path: Path) -> None:
    assert set(re.findall(r"influxdb:[\w.-]+\d", path.read_text())) <= {INFLUXDB_IMAGE, "influxdb:8086"}


def test_ci_leaves_out_only_groups_that_there_are() -> None:
    said = re.findall(r"TESTS_WITHOUT: (.+)", (ROOT / ".github/workflows/ci.yml").read_text())
    assert said
    assert {name for names in said for name in names.split(",")} <= set(GROUPS)


def test_every_image_is_published_for_the_processors_of_desks_and_raspberry_pis() -> None:
    text = (ROOT / ".github/workflows/images.yml").read_text()
    listed = re.search(r"service: \[(.+)\]", text)
    assert listed
    assert sorted(listed[1].split(", ")) == sorted(p.parent.name for p in ROOT.glob("services/*/Dockerfile"))
    assert "PLATFORMS: linux/amd64,linux/arm64,linux/arm/v7\n" in text
    assert "--provenance=mode=max" in text
    assert "--sbom=true" in text


@pytest.mark.parametrize("path", sorted(ROOT.glob("services/*/Dockerfile")), ids=lambda p: p.parent.name)
def test_a_dockerfile_is_made_for_no_processor_and_no_registry_in_particular(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"amd64|x86_64|aarch64", text)
    bases = re.findall(r"^FROM (?:--platform=\$BUILDPLATFORM )?(\S+)", text, re.MULTILINE)
    assert set(bases) == {"python:3.12-slim-bookworm"}
    # What takes packages with compiled parts is built on the processor that it is for.
    assert "\nFROM python:3.12-slim-bookworm AS installed\n" in text


@pytest.mark.parametrize("service", ["ingest", "web", "sensor-node"])
def test_an_images_list_pins_the_versions_that_the_tests_run_with(service: str) -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / f"requirements/{name}.txt").read_text()
        return set(re.findall(r"^([\w.-]+==\S+)", text, re.MULTILINE))

    assert pins(service) <= pins("run")
    assert pins("build") <= pins("run")


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go here: apt-get install golang-go")
def test_actionlint_has_nothing_to_say() -> None:
    ran = subprocess.run(
        ["go", "run", ACTIONLINT, *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    if ran.returncode and ("dial tcp" in ran.stderr or "requires go >=" in ran.stderr):
        pytest.skip(f"actionlint cannot be built here: {ran.stderr.strip().splitlines()[-1]}")
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr
