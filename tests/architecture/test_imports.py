"""The shape of the code: imports go one way, and each library is known in one place."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("packages", "services/ingest", "services/web", "services/sensor-node")
PACKAGES = ("sensorline", "sensorline_ingest", "sensorline_web", "sensorline_node")
SERVICES = PACKAGES[1:]

LAYERS = (
    ("sensorline.errors", "sensorline.sparing", "sensorline.pausing"),
    ("sensorline.events",),
    ("sensorline.reading",),
    ("sensorline.topics",),
    ("sensorline.fields",),
    ("sensorline.settings",),
    ("sensorline.logging",),
    ("sensorline.decoders",),
    ("sensorline.mqtt", "sensorline.stores", "sensorline.accounts"),
    SERVICES,
    ("sensorline.up", "sensorline.compose"),
    ("sensorline.doctor",),
    ("sensorline.cli",),
)
"""From the bottom to the top. A module imports from lower layers and from its own part, nothing else."""

ENTRY_POINTS = ("__main__", "wsgi")


def modules() -> dict[str, Path]:
    """Return every module of ours by its dotted name."""
    found = {}
    for folder in FOLDERS:
        for package in PACKAGES:
            for path in sorted((ROOT / folder / package).rglob("*.py")):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def imports(name: str) -> Iterator[tuple[str, int]]:
    """Yield what a module imports, as far as a module goes: `from sensorline import topics` is sensorline.topics."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else node.module), node.lineno


def part_of(module: str) -> tuple[int, str]:
    """Return a module's layer and its part of that layer."""
    if module.rpartition(".")[2] in ENTRY_POINTS:
        return len(LAYERS), "entry points"
    for height, parts in enumerate(LAYERS):
        for part in parts:
            if module == part or module.startswith(f"{part}."):
                return height, part
    if module == "sensorline":
        return -1, module
    raise AssertionError(f"{module} belongs to no layer: name it in LAYERS, and in docs/architecture.md")


def importers(*libraries: str) -> set[str]:
    return {name for name in MODULES if any(target.split(".")[0] in libraries for target, _ in imports(name))}


def test_the_modules_were_found() -> None:
    assert len(MODULES) > 60
    assert {name.split(".")[0] for name in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_one_way(name: str) -> None:
    height, part = part_of(name)
    for target, line in imports(name):
        if target.split(".")[0] not in PACKAGES:
            continue
        target_height, target_part = part_of(target)
        if part in SERVICES and target_part in SERVICES:
            assert target_part == part, f"{name}:{line} imports {target}: services never import each other"
        assert target_height < height or target_part == part, (
            f"{name}:{line} imports {target}, which is not below it"
        )


def test_a_service_names_no_other_service() -> None:
    for name in MODULES:
        own = name.split(".")[0]
        if own in SERVICES:
            others = {target for target, _ in imports(name) if target.split(".")[0] in SERVICES}
            assert all(target.split(".")[0] == own for target in others), name


def test_every_import_is_absolute() -> None:
    for name, tree in TREES.items():
        relative = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
        assert relative == [], f"{name}: relative imports in lines {relative}"


def test_only_wsgi_knows_eventlet_and_gevent() -> None:
    assert importers("eventlet", "gevent") <= {"sensorline_web.wsgi"}


def test_only_the_link_knows_paho() -> None:
    allowed = {name for name in MODULES if name.startswith("sensorline.mqtt.")}
    assert importers("paho") <= allowed
    assert importers("paho")


def test_only_stores_and_the_nodes_outbox_know_sqlite() -> None:
    allowed = {
        name
        for name in MODULES
        if name.startswith(
            ("sensorline.stores.sqlite.", "sensorline.stores.influxdb.", "sensorline.stores.journal.")
        )
    }
    assert importers("sqlite3") - allowed == {"sensorline_node.outbox", "sensorline_node.outbox_file"}


def test_only_the_influxdb_store_knows_its_client() -> None:
    allowed = {name for name in MODULES if name.startswith("sensorline.stores.influxdb.")}
    assert importers("influxdb_client", "urllib3") <= allowed


def test_no_module_is_called_utils() -> None:
    for name in MODULES:
        assert not {"utils", "util", "helpers", "common", "misc"} & set(name.split(".")), name


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_is_longer_than_400_lines(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= 400


def test_the_core_needs_no_library_of_one_service_only() -> None:
    only_some = {"flask", "flask_socketio", "socketio", "smbus2", "psutil", "eventlet", "amqtt", "circus"}
    core = {
        n
        for n in MODULES
        if n.startswith("sensorline.") and not n.startswith(("sensorline.cli", "sensorline.up"))
    }
    assert importers(*only_some) & core == set()


def test_every_import_at_the_top_of_the_core_is_declared() -> None:
    declared = {
        "msgspec",
        "paho",
        "dotenv",
        "structlog",
        "prometheus_client",
    }
    for name in MODULES:
        if name.startswith(("sensorline.cli", "sensorline.up")) or not name.startswith("sensorline."):
            continue
        foreign = {t.split(".")[0] for t, _ in imports(name)} - set(sys.stdlib_module_names) - {"sensorline"}
        if name.startswith("sensorline.stores.influxdb."):
            foreign -= {"influxdb_client", "urllib3"}
        assert foreign <= declared, name
