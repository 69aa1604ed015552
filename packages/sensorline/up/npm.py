"""npm, from the PATH or from PyPI: only to fetch packages, never to run their scripts."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sensorline.errors import StartupError

# Two packages of 2 MB; a network that needs longer is taken as absent.
_FETCH_S = 120
# Without network npm would try again for a minute; the page can do without for now.
_PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000")
# Node.js itself is some 60 MB.
_INSTALL_S = 600
_WHAT_TO_DO = "check the network, or install npm (apt-get install npm), then run `make assets`"


class _Packed(msgspec.Struct):
    filename: str


@contextmanager
def fetch_packages(specs: Sequence[str], node_pins: Path) -> Iterator[list[Path]]:
    """Yield the tarballs of the packages (`name@version`), in order, in a folder that is removed afterwards.

    `node_pins` is a requirements file with hashes, from which Node.js is installed for this when there is no npm.
    Raises StartupError with one line that says what to do.
    """
    with tempfile.TemporaryDirectory(prefix="sensorline-npm-") as name:
        folder = Path(name)
        npm = shutil.which("npm") or _npm_from_pypi(folder / "node", node_pins)
        command = [npm, "pack", "--json", "--ignore-scripts", "--no-audit", "--no-fund", *_PATIENCE, *specs]
        # npm's helpers look for `node` on the PATH: the one beside npm.
        path = os.pathsep.join([str(Path(npm).parent), os.environ.get("PATH", "")])
        out = _run(command, folder, _FETCH_S, f"npm could not fetch {' and '.join(specs)}", path)
        try:
            packed = msgspec.json.decode(out, type=list[_Packed])
        except msgspec.DecodeError as exc:
            raise StartupError(f"npm pack answered something unexpected ({exc}): {_WHAT_TO_DO}") from exc
        yield [folder / Path(item.filename).name for item in packed]


def _npm_from_pypi(folder: Path, pins: Path) -> str:
    """Install Node.js from PyPI into a virtual environment of its own and return its npm."""
    failed = "no npm here, and Node.js could not be installed from PyPI"
    path = os.environ.get("PATH", "")
    _run([sys.executable, "-m", "venv", str(folder)], folder.parent, _INSTALL_S, failed, path)
    pip = [str(folder / "bin" / "pip"), "--disable-pip-version-check", "--quiet", "install"]
    command = [*pip, "--only-binary=:all:", "--require-hashes", "-r", str(pins.resolve())]
    _run(command, folder.parent, _INSTALL_S, failed, path)
    return str(folder / "bin" / "npm")


def _run(command: Sequence[str], folder: Path, timeout_s: float, failed: str, path: str) -> bytes:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except OSError as exc:
        raise StartupError(f"{failed} ({exc.strerror}): {_WHAT_TO_DO}") from exc
    except subprocess.TimeoutExpired as exc:
        raise StartupError(f"{failed} within {timeout_s:g} s: {_WHAT_TO_DO}") from exc
    if done.returncode:
        raise StartupError(f"{failed} ({_reason(done.stderr)}): {_WHAT_TO_DO}")
    return done.stdout


def _reason(stderr: bytes) -> str:
    """Return the line of a tool's complaint that says most: the first one marked as an error."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "npm error", "npm err!"))]
    return (errors or lines or ["no reason given"])[0][:200]
