"""Assets from npm, with a stand-in npm on the PATH: no network."""

import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from sensorline.errors import StartupError
from sensorline.up.assets import Asset, missing_assets, wanted_assets
from sensorline.up.assets import install_assets as install_known

CHART = b"chart();"
LICENCE = b"MIT"
CHART_ASSET = Asset(
    "chart.js",
    "4.6.1",
    "dist/chart.umd.min.js",
    hashlib.sha256(CHART).hexdigest(),
    "MIT",
    "LICENSE.md",
    hashlib.sha256(LICENCE).hexdigest(),
)

# Copies the prepared tarball and answers as `npm pack --json` does; counts its starts.
NPM = """#!/bin/sh
echo "$@" >> {log}
cp {tarball} chart.js-4.6.1.tgz
echo '[{{"filename": "chart.js-4.6.1.tgz", "name": "chart.js"}}]'
"""


def install_assets(package_json: Path, folder: Path) -> tuple[Asset, ...]:
    return install_known(package_json, folder, Path("node.txt"), (CHART_ASSET,))


class Npm:
    """A program named npm that serves one package."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "npm.log"
        self._tarball = folder / "served.tgz"
        self.serves(CHART)
        self._says(NPM.format(log=self.log, tarball=self._tarball))

    def serves(self, chart: bytes) -> None:
        with tarfile.open(self._tarball, "w:gz") as archive:
            for name, content in {"dist/chart.umd.min.js": chart, "LICENSE.md": LICENCE}.items():
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def fails(self, message: str) -> None:
        self._says(f"#!/bin/sh\necho '{message}' >&2\nexit 1\n")

    def starts(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def _says(self, script: str) -> None:
        (self.bin / "npm").write_text(script)
        (self.bin / "npm").chmod(0o755)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    npm = Npm(tmp_path)
    monkeypatch.setenv("PATH", f"{npm.bin}:/usr/bin:/bin")
    return npm


@pytest.fixture
def package_json(tmp_path: Path) -> Path:
    path = tmp_path / "package.json"
    path.write_text('{"name": "page", "type": "module", "dependencies": {"chart.js": "4.6.1"}}')
    return path


def test_files_licence_and_manifest_are_installed(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    vendor = tmp_path / "static" / "vendor"
    assert install_assets(package_json, vendor) == (CHART_ASSET,)
    assert (vendor / "chart.umd.min.js").read_bytes() == CHART
    assert (vendor / "chart.js.LICENSE.txt").read_bytes() == LICENCE
    assert msgspec.json.decode((vendor / "manifest.json").read_bytes()) == [
        {
            "name": "chart.js",
            "version": "4.6.1",
            "licence": "MIT",
            "file": "chart.umd.min.js",
            "sha256": CHART_ASSET.sha256,
            "licence_file": "chart.js.LICENSE.txt",
        }
    ]
    assert "--ignore-scripts" in npm.starts()[0]


def test_what_is_there_is_not_fetched_again(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    install_assets(package_json, tmp_path / "vendor")
    assert install_assets(package_json, tmp_path / "vendor") == ()
    assert len(npm.starts()) == 1


def test_a_changed_file_is_fetched_again(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    install_assets(package_json, vendor)
    (vendor / "chart.umd.min.js").write_bytes(b"something else")
    assert missing_assets((CHART_ASSET,), vendor) == (CHART_ASSET,)
    install_assets(package_json, vendor)
    assert (vendor / "chart.umd.min.js").read_bytes() == CHART


def test_other_bytes_than_expected_are_not_installed(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    npm.serves(b"mine_bitcoin();")
    with pytest.raises(StartupError, match=r"chart\.js 4\.6\.1: dist/chart\.umd\.min\.js has SHA-256"):
        install_assets(package_json, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_without_network_one_line_says_what_to_do(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    npm.fails("npm error network getaddrinfo EAI_AGAIN")
    with pytest.raises(StartupError) as caught:
        install_assets(package_json, tmp_path / "vendor")
    message = str(caught.value)
    assert "EAI_AGAIN" in message
    assert "make assets" in message
    assert "\n" not in message


def test_a_version_without_a_known_hash_is_refused(npm: Npm, package_json: Path, tmp_path: Path) -> None:
    package_json.write_text('{"dependencies": {"chart.js": "^4.6.1"}}')
    with pytest.raises(StartupError, match=r"no known SHA-256 for chart\.js \^4\.6\.1"):
        install_assets(package_json, tmp_path / "vendor")
    assert npm.starts() == []


def test_the_repository_pins_versions_whose_hashes_are_known() -> None:
    package_json = Path(__file__).parents[3] / "services" / "web" / "package.json"
    assert {asset.package for asset in wanted_assets(package_json)} == {"chart.js", "socket.io-client"}
