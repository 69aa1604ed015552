"""What the page says of `$health` is what a node says."""

import re
from pathlib import Path

import msgspec

from sensorline_node.health import Health

PAGE = Path(__file__).parents[2] / "docs" / "message-contract.md"


def test_the_table_has_every_member_that_a_node_says_and_no_other() -> None:
    section = PAGE.read_text().split("## A node's health")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    members = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert members == {field.name for field in msgspec.structs.fields(Health)}
