"""One stack for all tests here, from nothing: it takes a third of a minute to start."""

from collections.abc import Iterator

import pytest
from tests.support.stack import Stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that runs, as after the first `docker compose up -d` on this machine."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    try:
        made.up()
        yield made
    finally:
        made.close()
