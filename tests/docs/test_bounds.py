"""The table of bounds in docs/architecture.md says what constants, settings and the broker's configuration say."""

import importlib
import re
from pathlib import Path

import pytest

from sensorline.fields import Settings
from sensorline.settings import StoreSettings
from sensorline_ingest.settings import IngestSettings
from sensorline_node.settings import NodeSettings
from sensorline_web.settings import WebSettings

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs/architecture.md").read_text().split("## Bounds")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| [^|]+ \| ([\d,]+) \| `([^`]+)` \| [^|]+ \|$", SECTION, re.MULTILINE)
GROUPS: tuple[type[Settings], ...] = (StoreSettings, IngestSettings, NodeSettings, WebSettings)


def in_force(where: str) -> float:
    """Return a bound by the name that the table gives it."""
    if where.startswith("mosquitto.conf: "):
        name = where.removeprefix("mosquitto.conf: ")
        text = (ROOT / "mosquitto/mosquitto.conf").read_text()
        return float(re.findall(rf"^{name} (\d+)$", text, re.MULTILINE)[0])
    if where.isupper():
        group = next(g for g in GROUPS if where.startswith(g.env_prefix))
        return float(getattr(group(), where.removeprefix(group.env_prefix).lower()))
    module, _, name = where.rpartition(".")
    return float(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize(("bound", "where"), ROWS, ids=[where for _, where in ROWS])
def test_a_bound_is_what_the_table_says(bound: str, where: str) -> None:
    assert in_force(where) == float(bound.replace(",", ""))


def test_every_row_has_a_bound_that_was_read() -> None:
    rows = [line for line in SECTION.splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(rows) - 2 > 20
