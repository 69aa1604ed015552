"""Commands out of a document, run as they are written there but for the places that they name."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.environment import clean_environment

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


def block(line: str) -> list[str]:
    """Return the lines of the one indented block of docs/operations.md in which a line begins with `line`."""
    blocks: list[list[str]] = [[]]
    for text in OPERATIONS.read_text().splitlines():
        if text.startswith("    "):
            blocks[-1].append(text[4:])
        elif blocks[-1]:
            blocks.append([])
    (found,) = [lines for lines in blocks if any(text.startswith(line) for text in lines)]
    return found


def run_block(
    line: str,
    places: Mapping[str, object],
    *,
    folder: Path,
    settings: Mapping[str, object] | None = None,
    programs: Path | None = None,
) -> str:
    """Run the block in `folder` with each of `places` put for what the document names, without `systemctl`.

    `sensorline` is this interpreter's; `programs` is a folder with others. Returns what it printed; any error is a failure.
    """
    script = "\n".join(text for text in block(line) if not text.startswith("systemctl "))
    for written, place in places.items():
        assert written in script, f"the document no longer says {written}"
        script = script.replace(written, str(place))
    path = os.pathsep.join(
        map(str, filter(None, (programs, Path(sys.executable).parent, os.environ["PATH"])))
    )
    ran = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=clean_environment(settings) | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}{ran.stderr}"
    return ran.stdout
