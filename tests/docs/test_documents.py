"""Documents say what the code does: settings, commands, links, make targets, metrics, routes."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sensorline.cli import cli
from sensorline.decoders import build_decoders
from sensorline.stores.sqlite import SqliteReader

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("services/*/README.md")),
    *sorted(ROOT.glob("mosquitto/*.md")),
    *sorted(ROOT.glob("bench/*.md")),
]


def printed_by(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_settings_page_is_what_the_settings_classes_say() -> None:
    assert (ROOT / "docs/settings.md").read_text() == printed_by("config", "--as-markdown"), "run `make docs`"


def test_env_example_is_what_the_settings_classes_say() -> None:
    assert (ROOT / ".env.example").read_text() == printed_by("config", "--as-env-example"), "run `make docs`"


def code_of(document: Path) -> list[str]:
    """Return every line of code in a document: indented or fenced, and what is between backticks."""
    text = document.read_text()
    blocks = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE) + re.findall(
        r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL
    )
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", text)


def commands_of(document: Path) -> list[list[str]]:
    out = []
    for line in code_of(document):
        command = re.split(r"\s{3,}|\s#\s", line)[0].removeprefix("$ ").removeprefix(".venv/bin/")
        if re.match(r"sensorline [a-z]", command):
            out.append(shlex.split(command)[1:])
    return out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_sensorline_command_in_a_document_is_one_that_the_cli_takes(document: Path) -> None:
    for arguments in commands_of(document):
        command: click.Command = cli
        words = [w for word in arguments for w in ([word.split("|")[0]] if "|" in word else [word])]
        context = click.Context(cli)
        while isinstance(command, click.Group) and words:
            found = command.get_command(context, words[0])
            assert found is not None, f"`sensorline {' '.join(arguments)}`: there is no {words[0]!r}"
            command, words = found, words[1:]
        if words:
            # Parsing refuses unknown options and missing arguments; nothing is run.
            command.make_context("sensorline", list(words)).close()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_in_a_document_leads_to_a_file(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code_of(document):
        if match := re.match(r"make ([a-z][a-z-]*)", line):
            assert match[1] in targets, f"{document.relative_to(ROOT)} says `make {match[1]}`"


def test_the_changelog_names_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## Unreleased" in text


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"`(sensorline_[a-z0-9_]+)`", text))


def test_every_metric_is_documented_and_every_documented_metric_exists() -> None:
    from prometheus_client import CollectorRegistry

    from sensorline_ingest.metrics import IngestMetrics
    from sensorline_web.metrics import WebMetrics

    exposed = set()
    for registry in (IngestMetrics().registry, WebMetrics(CollectorRegistry()).registry):
        for family in registry.collect():
            exposed.add(family.name + ("_total" if family.type == "counter" else ""))
    assert metrics_in((ROOT / "docs/metrics.md").read_text()) == exposed


def test_every_route_is_documented_and_every_documented_route_exists(tmp_path: Path) -> None:
    from sensorline.mqtt import MqttLink
    from sensorline.settings import MqttSettings
    from sensorline_web.app import create_app
    from sensorline_web.settings import WebSettings

    mqtt = MqttSettings()
    app = create_app(
        WebSettings(env="testing"),
        mqtt=mqtt,
        make_reader=lambda: SqliteReader(tmp_path / "none.db"),
        link=MqttLink(mqtt, client_id="never-started", clean_session=True),
        decoders=build_decoders(),
    )
    # The page and its files are not the API.
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint not in ("static", "page.index")}
    routes = {re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", rule) for rule in rules}
    table = "".join(
        line for line in (ROOT / "docs/api.md").read_text().splitlines() if line.startswith("| `GET")
    )
    assert set(re.findall(r"`(?:GET )?(/[^`]+)`", table)) == routes
