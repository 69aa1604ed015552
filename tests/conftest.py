"""What every test gets: an empty environment, groups that are left out by name, the output of processes that failed."""

import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.environment import is_ci, is_setting
from tests.support.groups import GROUPS, LEFT_OUT_ON_PURPOSE
from tests.support.processes import Processes
from tests.support.web import chromium

_LEFT_OUT = pytest.StashKey[Counter[str]]()
_PROCESSES = pytest.StashKey[list[Processes]]()
SHOWN_CHARS = 6_000


def pytest_configure(config: pytest.Config) -> None:
    """Make each group a marker."""
    for name, group in GROUPS.items():
        config.addinivalue_line("markers", f"{name}: needs {group.needs} ({group.enable})")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of a group whose program is missing.

    On CI (CI=true) that is an error, but for the groups that TESTS_WITHOUT names.
    """
    left_out: Counter[str] = Counter()
    for item in items:
        for name, group in GROUPS.items():
            if item.get_closest_marker(name) and not group.is_there():
                item.add_marker(pytest.mark.skip(reason=f"{group.needs}: {group.enable}"))
                left_out[name] += 1
    if is_ci():
        missing = [n for n in left_out if GROUPS[n].is_required_in_ci and n not in LEFT_OUT_ON_PURPOSE]
        if missing:
            told = "\n".join(f"  {GROUPS[name].needs}: {GROUPS[name].enable}" for name in missing)
            raise pytest.UsageError(
                f"CI=true, and these are missing (TESTS_WITHOUT names none of them):\n{told}"
            )
    config.stash[_LEFT_OUT] = left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name each group that was left out, how many tests, and the command that enables it."""
    left_out = config.stash.get(_LEFT_OUT, Counter())
    if not left_out:
        return
    terminalreporter.section("left out")
    for name, number in sorted(left_out.items()):
        tests = "1 test" if number == 1 else f"{number} tests"
        terminalreporter.line(
            f"{name}: {tests}, because {GROUPS[name].needs} is missing; enable with: {GROUPS[name].enable}"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test's processes have written."""
    report = yield
    if report.failed:
        for processes in item.stash.get(_PROCESSES, []):
            for process in processes.started:
                text = process.output(all_lives=True)[-SHOWN_CHARS:]
                report.sections.append((f"output of {process.name}", text))
    return report


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's settings: no variable, and (in an empty working folder) no .env."""
    for name in list(os.environ):
        if is_setting(name):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def processes(request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Where a test adds what it starts: all of it is killed at the end, and shown if the test fails."""
    started = Processes()
    request.node.stash.setdefault(_PROCESSES, []).append(started)
    yield started
    started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests: Playwright cannot be started twice in a process."""
    with chromium() as started:
        yield started
