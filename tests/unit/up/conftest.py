"""Supervisors of stand-in services, ended with the test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.up.supervised import Supervised


@pytest.fixture
def supervise() -> Iterator[Callable[..., Supervised]]:
    running: list[Supervised] = []

    def start(*services: tuple[str, str, dict[str, Any]], **environment: str) -> Supervised:
        running.append(Supervised(list(services), environment))
        return running[-1]

    yield start
    for supervised in running:
        supervised.clean_up()
