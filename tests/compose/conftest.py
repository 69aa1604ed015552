"""One stack for all tests here, from nothing: it takes a third of a minute to start."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.support.stack import Stack
from tests.support.web import chromium


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs, as after the first `docker compose up -d` on this machine."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    try:
        made.up()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started
