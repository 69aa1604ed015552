"""The whole pipeline, once for the module: a real broker, ingest, web, and Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser
from tests.support.brokers import Mosquitto
from tests.support.processes import Processes
from tests.support.services import Ingest
from tests.support.web import Watched, Web

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


class Pipeline(NamedTuple):
    """What runs while a test looks at the page."""

    broker: Mosquitto
    ingest: Ingest
    web: Web


@pytest.fixture
def pipeline(processes: Processes, tmp_path: Path) -> Pipeline:
    """A broker, ingest and web with nothing stored yet."""
    broker = Mosquitto(tmp_path / "broker")
    processes.add(broker).start()
    ingest = Ingest(tmp_path, broker.environment)
    processes.add(ingest)
    ingest.start_ready()
    web = Web(tmp_path, broker.environment, ingest.store)
    processes.add(web)
    web.start_ready()
    return Pipeline(broker, ingest, web)


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Watched]]:
    """Open pages; each is kept as a screenshot in artifacts/ when the test ends."""
    opened: list[Watched] = []

    def open_one(url: str, **context: Any) -> Watched:
        size = {"width": 1400, "height": 900}
        page = browser.new_context(**({"viewport": size, "color_scheme": "dark"} | context)).new_page()
        watched = Watched(page, url)
        opened.append(watched)
        page.goto(url)
        page.wait_for_function("() => window.sensorline !== undefined")
        return watched

    yield open_one
    ARTIFACTS.mkdir(exist_ok=True)
    for number, watched in enumerate(opened):
        name = request.node.name.replace("/", "-")
        watched.page.screenshot(path=ARTIFACTS / f"{name}{f'-{number}' if number else ''}.png")
        watched.page.context.close()
