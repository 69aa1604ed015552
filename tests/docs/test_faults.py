"""docs/faults.md: each test that it names is there, and says (or its file does) which fault it is about."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/faults.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
FAULTS = [
    (cells[0], path, name)
    for line in TEXT.splitlines()
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0].startswith("F")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cells[-1])
]


@cache
def words_of(path: str) -> dict[str, str]:
    """Return each test of a file with its docstring and the file's."""
    tree = ast.parse((ROOT / path).read_text())
    file_says = ast.get_docstring(tree)
    return {
        node.name: f"{ast.get_docstring(node)} {file_says}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_every_test_in_the_table_exists(path: str, name: str) -> None:
    assert (ROOT / path).exists(), path
    assert name in words_of(path), f"{path} has no {name}"


@pytest.mark.parametrize(("fault", "path", "name"), FAULTS)
def test_the_test_of_a_fault_names_it(fault: str, path: str, name: str) -> None:
    assert re.search(rf"\b{fault}\b", words_of(path)[name]), f"{name} does not say {fault}"


def test_faults_are_in_order_and_each_has_a_test() -> None:
    rows = re.findall(r"^\| F(\d+) \|", TEXT, re.MULTILINE)
    assert [int(number) for number in rows] == sorted(map(int, rows))
    assert {f"F{number}" for number in rows} == {fault for fault, *_ in FAULTS}
    assert set(map(int, rows)) >= set(range(1, 33))
