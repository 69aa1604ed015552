"""The feed: messages become state, events and frames; bad ones are passed over."""

from typing import Any

import pytest
from flask import Flask

from sensorline.errors import SensorlineError
from sensorline_web.services import services


class Page:
    """What all browsers together were told."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, Any]] = []
        self.frames: list[Any] = []
        self.feed = services(app).feed
        monkeypatch.setattr(self.feed, "_announce", lambda event, data: self.events.append((event, data)))
        monkeypatch.setattr(self.feed.coalescer, "_emit", lambda room, frame: self.frames.append(frame))
        self.now_s = 0.0
        monkeypatch.setattr(self.feed, "_clock_s", lambda: self.now_s)

    def step(self, seconds: float = 1.0) -> None:
        self.feed.step()
        self.now_s += seconds
        self.feed.step()

    def told(self, event: str) -> list[Any]:
        return [data for name, data in self.events if name == event]


@pytest.fixture
def page(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(make_app(), monkeypatch)


def test_a_reading_of_a_new_device_is_announced_and_framed(page: Page, link: Any) -> None:
    page.feed.coalescer.watch("x", None)
    link.put("sensors/lab/co2", '{"value":612,"unit":"ppm","ts":1760000000123}')
    page.step()
    assert [entry["device"] for entry in page.told("device")] == ["lab"]
    assert page.told("metric") == [{"device": "lab", "metric": "co2", "unit": "ppm", "name": None}]
    assert page.frames == [[["lab", "co2", [1760000000123], [612.0], 1]]]


def test_a_retained_value_without_a_time_is_state_and_no_point(page: Page, link: Any) -> None:
    page.feed.coalescer.watch("x", None)
    link.put("sensors/lab/co2", "612", flags=1)
    page.step()
    assert page.frames == []
    assert page.feed.state.metrics_of("lab") == ["co2"]


def test_a_bad_message_is_passed_over(page: Page, link: Any) -> None:
    page.feed.coalescer.watch("x", None)
    link.put("sensors/lab/co2", "\ufffd{{{")
    link.put("sensors/lab/co2", "7")
    page.step()
    page.step()
    assert [entry[3] for frame in page.frames for entry in frame] == [[7.0]]


def test_status_changes_are_announced_once(page: Page, link: Any) -> None:
    for _ in range(2):
        link.put("sensors/lab/$status", "online", flags=1)
        link.put("sensors/lab/$status", "offline")
    for _ in range(2):
        page.step()
    assert [entry["status"] for entry in page.told("device")] == ["online", "offline", "online", "offline"]
    link.put("sensors/lab/$status", "offline", flags=1)
    page.step()
    assert len(page.told("device")) == 4


def test_the_state_of_the_pipeline_is_announced_when_it_changes(page: Page, link: Any) -> None:
    page.step()
    assert page.told("state") == []
    link.connect()
    link.put("sensorline/ingest/$status", '{"state":"storing","backlog":3}', flags=1)
    page.step()
    page.step()
    link.is_connected = False
    page.step()
    told = page.told("state")
    assert [state["broker"] for state in told] == ["connected", "connected", "disconnected"]
    assert told[-1]["ingest"] == {"state": "storing", "backlog": 3}


def test_a_quick_reconnection_is_news_although_nobody_saw_the_break(page: Page, link: Any) -> None:
    link.connect()
    page.step()
    link.connect()
    page.step()
    assert len(page.told("state")) == 2


@pytest.mark.parametrize("payload", [b"", b"[1]", b"{", b"[" * 100_000, b'"' + b"x" * 70_000 + b'"'])
def test_a_strange_word_of_ingest_is_no_word(page: Page, link: Any, payload: bytes) -> None:
    link.put("sensorline/ingest/$status", payload)
    page.step()
    assert page.feed.pipeline()["ingest"] is None


def test_a_dead_session_is_fatal(page: Page, link: Any) -> None:
    link.problem = "the MQTT network thread has ended"
    with pytest.raises(SensorlineError, match="has ended"):
        page.feed.step()
