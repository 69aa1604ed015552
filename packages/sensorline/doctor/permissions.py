"""Files with secrets or readings: may others on this machine read them, or change them?"""

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sensorline.doctor.findings import Finding, Level

_SECRET = re.compile(r"^\s*(?:export\s+)?[A-Z0-9_]*(?:PASSWORD|TOKEN|URL)\s*=\s*\S", re.MULTILINE)
_OTHERS_READ, _OTHERS_WRITE = stat.S_IROTH, stat.S_IWOTH


def with_secrets(
    named: Mapping[str, str], secrets: Sequence[str], env_file: Path, broker_folders: Sequence[Path]
) -> list[Path]:
    """Return the files that hold secrets, as far as they are there: what settings name, .env, the services' and the broker's.

    `named` goes from settings to values; `secrets` are the settings whose value is such a file.
    """
    found = [Path(named[name]) for name in secrets if named.get(name)]
    found += [env_file, *sorted(_listed(Path("/etc/sensorline"), "*.env"))]
    for folder in broker_folders:
        found += [folder / "passwd", *sorted(_listed(folder / "certs", "*.key"))]
    return [
        path
        for path in dict.fromkeys(found)
        if _is_there(path) and (not path.name.endswith(".env") or _holds_secret(path))
    ]


def look(secret: Sequence[Path], stores: Sequence[Path]) -> Iterator[Finding]:
    """Yield which of them others may read or write."""
    fine = []
    for path, is_secret in [*((p, True) for p in secret), *((p, False) for p in stores if _is_there(p))]:
        others = _others(path)
        if others & _OTHERS_WRITE:
            yield _finding(
                Level.PROBLEM,
                f"every user of this machine can change {path}",
                f"chmod o-w {shlex.quote(str(path))}",
            )
        elif others & _OTHERS_READ:
            what = "a secret" if is_secret else "readings"
            yield _finding(
                Level.WARNING,
                f"every user of this machine can read {path}, which has {what} in it",
                f"chmod {'600' if is_secret else 'o='} {shlex.quote(str(path))}",
            )
        else:
            fine.append(path)
    if fine:
        yield _finding(Level.FINE, f"only their owners and groups can read {', '.join(map(str, fine))}")


def _others(path: Path) -> int:
    """Return what others may do with a file: nothing where they cannot come into its folder."""
    path = path.resolve()
    if any(not folder.stat().st_mode & stat.S_IXOTH for folder in path.parents):
        return 0
    return path.stat().st_mode & (_OTHERS_READ | _OTHERS_WRITE)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # In a folder that we may not look into: then others may not, either.
        return False


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern)) if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK) else []
    except OSError:
        return []


def _holds_secret(path: Path) -> bool:
    try:
        return bool(_SECRET.search(path.read_text(errors="replace")))
    except OSError:
        # Who asks may not read it: it counts as one, and its mode says the rest.
        return True


def _finding(level: Level, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="files", check="permissions", says=says, fix=fix)
