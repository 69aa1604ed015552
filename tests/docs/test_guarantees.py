"""Each promise in docs/guarantees.md names a test that exists."""

import ast
import re
from pathlib import Path

import pytest

from sensorline import pausing

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/guarantees.md").read_text()
PROMISES = TEXT.split("## Promises")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| `([^`]+)` \| `([^`]+)` \|$", PROMISES, re.MULTILINE)


def test_every_row_of_the_table_was_read() -> None:
    rows = [line for line in PROMISES.splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(rows) - 2, "a row is: promise, file, test, the last two between backticks"
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("promise", "file", "test"), ROWS, ids=lambda text: text[:60])
def test_a_promise_has_its_test(promise: str, file: str, test: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"{promise}: there is no {file}"
    names = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    assert test in names, f"{promise}: {file} has no {test}"


def test_what_is_not_promised_is_said() -> None:
    not_promised = TEXT.split("## Not promised")[1].split("\n## ")[0]
    assert "QoS 0" in not_promised
    assert "PUBACK" in not_promised


def test_the_variable_of_the_pause_points_is_the_codes() -> None:
    assert f"`{pausing.VARIABLE}=folder`" in TEXT
