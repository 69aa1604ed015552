"""The page's two libraries, from npm into the static folder: fetched once, checked always, never in git."""

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sensorline.errors import StartupError
from sensorline.up.npm import fetch_packages

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an npm package, its licence beside it, and the SHA-256 of both as published."""

    package: str
    version: str
    file: str
    sha256: str
    licence: str
    licence_file: str
    licence_sha256: str

    @property
    def file_name(self) -> str:
        """The file's name in the static folder."""
        return Path(self.file).name

    @property
    def licence_name(self) -> str:
        """The licence text's name in the static folder."""
        return f"{self.package}.LICENSE.txt"

    def files(self) -> dict[str, tuple[str, str]]:
        """Return what goes where: name in the static folder → (path in the package, SHA-256)."""
        return {
            self.file_name: (self.file, self.sha256),
            self.licence_name: (self.licence_file, self.licence_sha256),
        }


# SHA-256 of the files in the packages as npm serves them. A new version in package.json needs its line here.
KNOWN = (
    Asset(
        "chart.js",
        "4.6.1",
        "dist/chart.umd.min.js",
        "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2",
        "MIT",
        "LICENSE.md",
        "41a84aa2caba645f966a18d9c2056b73e6d3a81d80bc0046bc0011a2634d4cce",
    ),
    Asset(
        "socket.io-client",
        "4.8.4",
        "dist/socket.io.min.js",
        "d5d79a35039e860b32bdef4795528b05c2f788d4b2d9dacc913120e2878f7b3f",
        "MIT",
        "LICENSE",
        "73cb68c437d59e066f9386ef97be57298df4db119fdbd7d7150817c6dbd9f189",
    ),
)


class _PackageJson(msgspec.Struct):
    dependencies: dict[str, str] = {}


def wanted_assets(package_json: Path, known: tuple[Asset, ...] = KNOWN) -> tuple[Asset, ...]:
    """Return the assets that `package_json` pins. Raises StartupError for a version without a known SHA-256."""
    try:
        pinned = msgspec.json.decode(package_json.read_bytes(), type=_PackageJson).dependencies
    except (OSError, msgspec.DecodeError) as exc:
        raise StartupError(f"{package_json}: expected a readable package.json: {exc}") from exc
    by_pin = {(asset.package, asset.version): asset for asset in known}
    missing = [f"{name} {version}" for name, version in pinned.items() if (name, version) not in by_pin]
    if missing:
        raise StartupError(
            f"{package_json}: no known SHA-256 for {', '.join(missing)}: exact versions are expected; "
            "add the file's hash to KNOWN in sensorline/up/assets.py"
        )
    return tuple(by_pin[pin] for pin in pinned.items())


def missing_assets(assets: tuple[Asset, ...], folder: Path) -> tuple[Asset, ...]:
    """Return the assets that are not in `folder` byte for byte."""
    return tuple(
        asset
        for asset in assets
        if any(_sha256(folder / name) != sha256 for name, (_, sha256) in asset.files().items())
    )


def install_assets(
    package_json: Path, folder: Path, node_pins: Path, known: tuple[Asset, ...] = KNOWN
) -> tuple[Asset, ...]:
    """Bring what is missing into `folder`, write its manifest, and return what was fetched.

    `node_pins` pins, with hashes, the Node.js from PyPI that brings npm where there is none.
    Nothing is fetched or started when all files are there. Raises StartupError, with what to do, when npm cannot be
    had, does not answer, or serves other bytes than expected; `folder` is then as it was.
    """
    assets = wanted_assets(package_json, known)
    missing = missing_assets(assets, folder)
    if missing:
        with fetch_packages([f"{asset.package}@{asset.version}" for asset in missing], node_pins) as tarballs:
            contents = {
                name: content
                for asset, tarball in zip(missing, tarballs, strict=True)
                for name, content in _unpack(asset, tarball).items()
            }
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            _write(folder / name, content)
    manifest = msgspec.json.format(
        msgspec.json.encode(
            [
                {
                    "name": asset.package,
                    "version": asset.version,
                    "licence": asset.licence,
                    "file": asset.file_name,
                    "sha256": asset.sha256,
                    "licence_file": asset.licence_name,
                }
                for asset in assets
            ]
        ),
        indent=2,
    )
    if missing or not (folder / MANIFEST).is_file() or (folder / MANIFEST).read_bytes() != manifest + b"\n":
        _write(folder / MANIFEST, manifest + b"\n")
    return missing


def _unpack(asset: Asset, tarball: Path) -> dict[str, bytes]:
    """Return the asset's files by their name in the static folder."""
    out = {}
    with tarfile.open(tarball) as archive:
        for name, (path, sha256) in asset.files().items():
            # npm puts everything under package/; members are read by name, nothing is extracted to disk.
            try:
                member = archive.extractfile(f"package/{path}")
            except KeyError:
                member = None
            content = member.read() if member else b""
            found = hashlib.sha256(content).hexdigest()
            if found != sha256:
                raise StartupError(
                    f"{asset.package} {asset.version}: {path} has SHA-256 {found}, expected {sha256}: "
                    "the registry serves something else; not installed"
                )
            out[name] = content
    return out


def _write(path: Path, content: bytes) -> None:
    """Replace the file as a whole, so that a page never loads half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
