"""Readings that get lost on their way to the broker: ingest's metrics, the API and the page say how many, and which."""

import json
from collections.abc import Callable

import pytest
from tests.e2e.conftest import Pipeline
from tests.e2e.test_dashboard import now_ms
from tests.support.publishers import Client
from tests.support.services import http_get
from tests.support.waiting import wait_until
from tests.support.web import Watched

pytestmark = [pytest.mark.mosquitto, pytest.mark.chromium]

COUNT = 10_000
STEP_MS = 50
LOST = [*range(1_000, 1_020), *range(5_000, 5_016), 9_000]
"""Numbers of the 37 readings that never reach the broker."""


def publish(client: Client, first_ms: int, numbers: list[int]) -> None:
    """Publish the readings with these numbers, each with its own time."""
    for n in numbers:
        body = {"value": n % 50, "ts": first_ms + n * STEP_MS, "seq": n}
        client.send("sensors/desk/t", json.dumps(body))


def missing_numbers(url: str) -> list[int]:
    """Return which numbers the API's events name, in order."""
    _, body = http_get(f"{url}/api/v1/events?device=desk&kind=missing")
    events = json.loads(body)["events"]
    named = sorted(n for e in events for first, last in e["ranges"] for n in range(first, last + 1))
    assert len(named) == sum(e["count"] for e in events)
    return named


def test_37_of_10000_readings_are_missing_everywhere_until_they_come(
    pipeline: Pipeline, open_page: Callable[..., Watched]
) -> None:
    ingest, web = pipeline.ingest, pipeline.web
    first_ms = now_ms() - COUNT * STEP_MS
    watched = open_page(f"{web.url}/#range=15m")
    page = watched.page
    with Client(pipeline.broker.port) as client:
        publish(client, first_ms, sorted(set(range(COUNT)) - set(LOST)))
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_stored_total") == COUNT - len(LOST),
            60,
            "what was not lost to be stored",
        )
        assert ingest.metric("sensorline_ingest_readings_missing") == len(LOST)
        wait_until(lambda: missing_numbers(web.url) == LOST, 20, "the events to name them")

        page.locator("#cards li", has_text="desk").get_by_text("37 missing").wait_for()
        page.locator("#health").get_by_text("37 readings are missing: desk").wait_for()
        drawn = "window.sensorline.state().panels[0].marks.flatMap(mark => mark.lost ? mark.events : [])"
        page.wait_for_function(
            f"() => {drawn}.reduce((sum, [id, count]) => sum + count, 0) === 37", timeout=15_000
        )
        # Each hole is marked at its time.
        spans = page.evaluate(
            "window.sensorline.state().panels[0].marks.filter(m => m.lost).map(m => [m.from, m.to])"
        )
        for n in LOST:
            assert any(start <= first_ms + n * STEP_MS <= end for start, end in spans), (n, spans)

        page.get_by_role("link", name="About desk").click()
        page.locator(".book-cell[data-key=missing] .num").filter(has_text="37").wait_for()
        named = page.locator("#event-list .event-numbers")
        page.wait_for_function("() => document.querySelectorAll('#event-list li').length > 0")
        words = " ".join(named.all_inner_texts())
        for part in ("1000–1019", "5000–5015", "9000"):
            assert part in words

        publish(client, first_ms, LOST)
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_missing") == 0, 20, "the late readings to count"
        )
    page.locator(".book-cell[data-key=missing] .num").filter(has_text="0").wait_for()
    page.wait_for_function(
        "() => document.querySelectorAll('#event-list li[data-kind=missing]').length === 0"
    )
    page.wait_for_function("() => document.querySelectorAll('.health-line').length === 0")
    wait_until(lambda: missing_numbers(web.url) == [], 20, "the events to be withdrawn")
    watched.check()
