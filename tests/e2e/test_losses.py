"""Loss on the page: a real broker, store and web, and Chromium. What ingest would say is said here, as docs/message-contract.md has it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page
from tests.support.brokers import Mosquitto
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.web import Watched, Web

from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch, DeviceFacts, Reading, Series, Status
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter

pytestmark = [pytest.mark.mosquitto, pytest.mark.chromium]

Open = Callable[..., Watched]

DEVICE = "house/green room"
S = 10**9


class Stage(NamedTuple):
    """A web service with a store that has holes, and a client that speaks in ingest's name."""

    url: str
    client: Client
    now_ms: int

    def tell(self, event: dict[str, Any]) -> None:
        """Announce an event as ingest does after its commit."""
        self.client.publish(f"sensorline/events/{event['device'] or '$all'}", json.dumps(event))

    def status(self, **facts: object) -> None:
        """Publish ingest's status."""
        body = {"state": "running", "updated_at": time.time_ns() // 10**6, "stored": 9, "rejected": 0}
        self.client.publish("sensorline/ingest/$status", json.dumps(body | facts), retain=True)


def event(stage: Stage, name: str, first_s: int, last_s: int | None, **more: Any) -> dict[str, Any]:
    """Return an event from so many seconds ago to so many, in the wire's shape."""
    end = None if last_s is None else stage.now_ms - last_s * 1000
    shape = {
        "id": name,
        "kind": "missing",
        "device": DEVICE,
        "start": stage.now_ms - first_s * 1000,
        "end": end,
    }
    return shape | {"count": 5, "ranges": [[40, 44]], "detail": ""} | more


@pytest.fixture
def stage(processes: Processes, tmp_path: Path) -> Iterator[Stage]:
    """An hour of readings, one every 5 s, without those from 10 to 7 minutes ago; and another device that lacks nothing."""
    now_ns = time.time_ns() // S * S
    path = tmp_path / "readings.db"
    writer = SqliteWriter(StoreSettings(path=path))
    readings = [
        Reading(Series(device, metric), now_ns + second * S, 20 + second % 60 / 10)
        for second in range(-3_600, 0, 5)
        for device, metric in ((DEVICE, "temperature"), (DEVICE, "humidity"), ("desk", "power"))
        if device == "desk" or not -600 < second < -420
    ]
    facts = [
        DeviceFacts(DEVICE, Status.ONLINE, now_ns, name="Green room", location="Attic", interval_s=5.0),
        DeviceFacts("desk", Status.ONLINE, now_ns, interval_s=5.0),
    ]
    lost = Event(
        "hole", EventKind.MISSING, DEVICE, now_ns - 600 * S, now_ns - 420 * S, 35, [(101, 130), (140, 144)]
    )
    wrong = Event(
        "wrong", EventKind.CLOCK, DEVICE, now_ns - 3_000 * S, now_ns - 2_900 * S, detail="7 s behind."
    )
    account = Account(DEVICE, 1_500, 1_450, 3, 47, 35, late=2, out_of_order=1, skew_ms=40, updated_ns=now_ns)
    batch = Batch.of(readings=readings, facts=facts)
    batch.events, batch.accounts = [lost, wrong], [account]
    writer.commit(batch)
    writer.close()
    broker = Mosquitto(tmp_path / "broker")
    processes.add(broker).start()
    web = Web(tmp_path, broker.environment, path)
    processes.add(web)
    web.start_ready()
    with Client(broker.port) as client:
        client.publish(f"sensors/{DEVICE}/$status", "online", retain=True)
        yield Stage(web.url, client, now_ns // 10**6)


def wait_for_marks(page: Page, metric: str, condition: str) -> None:
    """Wait until a JavaScript expression over the `marks` of a metric's panel is true."""
    page.wait_for_function(
        f"""metric => {{
          const panel = window.sensorline.state().panels.find(panel => panel.metric === metric);
          if (!panel) return false;
          const {{ marks }} = panel;
          return {condition};
        }}""",
        arg=metric,
        timeout=10_000,
    )


def test_a_hole_is_marked_in_the_panels_of_its_device_and_told_by_the_keyboard(
    stage: Stage, open_page: Open
) -> None:
    watched = open_page(f"{stage.url}/#range=15m")
    page = watched.page
    for metric in ("temperature", "humidity"):
        wait_for_marks(page, metric, "marks.length === 1 && marks[0].lost && marks[0].events[0][1] === 35")
    [span] = page.evaluate("window.sensorline.state().panels.find(p => p.metric === 'humidity').marks")
    assert [stage.now_ms - span["from"], stage.now_ms - span["to"]] == [600_000, 420_000]
    wait_for_marks(page, "power", "marks.length === 0")
    panel = page.locator(".panel[data-metric=temperature]")
    button = panel.get_by_role("button", name="Data may be missing: 35 missing")
    button.focus()
    page.keyboard.press("Enter")
    sentence = panel.locator(".readout")
    assert re.match(r"35 readings missing, (\d+ \w+ )?\d\d:\d\d:\d\d–", sentence.inner_text())
    assert sentence.get_attribute("aria-live") == "polite"
    page.keyboard.press("Escape")
    assert sentence.inner_text() == ""
    # The pointer tells the same.
    box = panel.locator(".plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.44, box["y"] + box["height"] / 2)
    panel.locator(".tip-event", has_text="35 readings missing").wait_for()
    watched.check()


def test_an_event_appears_grows_shrinks_and_is_withdrawn_while_one_looks(
    stage: Stage, open_page: Open
) -> None:
    watched = open_page(f"{stage.url}/#range=5m")
    page = watched.page
    watched.wait_for_pill("Live")
    wait_for_marks(page, "temperature", "marks.length === 0")
    for count, last_s in ((5, 100), (9, 90), (2, 90)):
        stage.tell(event(stage, "new", 120, last_s, count=count))
        wait_for_marks(page, "temperature", f"marks.length === 1 && marks[0].events[0][1] === {count}")
    stage.tell(event(stage, "new", 120, 90, count=0, ranges=[]))
    wait_for_marks(page, "temperature", "marks.length === 0")
    # What concerns all devices is marked in every panel, and goes on while it is open.
    stage.tell(event(stage, "all", 60, None, kind="session_lost", device="", count=0, ranges=[]))
    for metric in ("temperature", "humidity", "power"):
        wait_for_marks(page, metric, "marks.length === 1 && marks[0].lost")
    ends = "window.sensorline.state().panels[0].marks[0].to"
    before = page.evaluate(ends)
    page.wait_for_function(f"before => {ends} > before", arg=before, timeout=10_000)
    watched.check()


def test_a_device_page_is_reached_from_the_rail_and_says_what_came_of_its_readings(
    stage: Stage, open_page: Open
) -> None:
    watched = open_page(f"{stage.url}/#range=15m")
    page = watched.page
    card = page.locator("#cards li", has_text="Green room")
    card.get_by_text("35 missing").wait_for()
    link = card.get_by_role("link", name="About Green room")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stage.url}/devices/house/green%20room")
    page.get_by_role("heading", name="Green room").wait_for()
    page.get_by_text("Attic").wait_for()
    for key, value in (
        ("received", "1,500"), ("stored", "1,450"), ("rejected", "3"), ("duplicates", "47"), ("missing", "35"),
    ):  # fmt: skip
        cell = page.locator(f".book-cell[data-key={key}] .num")
        cell.filter(has_text=re.compile(f"^{value}$")).wait_for()
    assert page.locator(".book-cell[data-key=open]").count() == 0
    first = page.locator("#event-list li").first
    first.get_by_text("35 readings missing").wait_for()
    first.get_by_text("Numbers 101–130, 140–144").wait_for()
    page.get_by_text("7 s behind.").wait_for()
    stage.client.publish(f"sensors/{DEVICE}/temperature", "31.25")
    page.locator("#values").get_by_text("31.25").wait_for()
    stage.tell(event(stage, "live", 30, 20, count=4, ranges=[[900, 903]]))
    page.locator("#event-list li").first.get_by_text("4 readings missing").wait_for()
    page.get_by_role("button", name="Missing", exact=True).click()
    page.wait_for_function("document.querySelectorAll('#event-list li').length === 2")
    watched.check()


def test_an_event_leads_to_the_charts_at_its_time_and_resume_leads_back(
    stage: Stage, open_page: Open
) -> None:
    watched = open_page(f"{stage.url}/devices/house/green%20room")
    page = watched.page
    page.get_by_role("link", name="Show on the chart: The device’s clock was wrong").click()
    page.wait_for_function("() => window.sensorline?.state().panels?.length === 2")
    middle_ms = stage.now_ms - 2_950_000
    state = page.evaluate("window.sensorline.state()")
    assert (state["range"], state["at"], state["selected"]) == ("5m", middle_ms + 150_000, [DEVICE])
    # Its time is drawn, and the event stands in the middle of it.
    watched.wait_for_points(DEVICE, "temperature", f"points.some(p => Math.abs(p.t - {middle_ms}) < 5000)")
    wait_for_marks(
        page, "temperature", "marks.length === 1 && !marks[0].lost && marks[0].events[0][0] === 'wrong'"
    )
    watched.wait_for_pill("In the past")
    # The large number is of that time, too.
    stage.client.publish(f"sensors/{DEVICE}/temperature", "99.9")
    page.locator("#cards li", has_text="Green room").get_by_text("99.9").wait_for()
    assert "99.9" not in page.locator(".panel[data-metric=temperature] .headline").inner_text()
    page.locator("#pause").click()
    watched.wait_for_pill("Live")
    assert "at=" not in page.url
    watched.check()


def test_what_is_wrong_now_stands_under_the_bar_and_goes_when_it_is_over(
    stage: Stage, open_page: Open
) -> None:
    stage.status(missing=0)
    watched = open_page(stage.url)
    page = watched.page
    watched.wait_for_pill("Live")
    line = page.get_by_role("status").filter(has=page.locator(".health-line"))
    page.locator("#foot").get_by_text("Ingest running").wait_for()
    assert page.locator(".health-line").count() == 0
    stage.status(state="store_unavailable", backlog=1_200)
    line.get_by_text("The store cannot be written to; 1,200 messages wait").wait_for()
    stage.status(undelivered=12_000, undelivered_s=840, journal_fullness=0.83)
    line.get_by_text("The store is 14 min behind: 12,000 readings wait").wait_for()
    line.get_by_text("journal is 83 % full").wait_for()
    stage.status(missing=35)
    line.get_by_text("35 readings are missing").wait_for()
    assert line.get_by_role("link", name="Green room").get_attribute("href") == "/devices/house/green%20room"
    # Ingest says nothing more: after five missed words that is told.
    line.get_by_text("Ingest has not been heard of").wait_for(timeout=20_000)
    stage.status(missing=35)
    page.wait_for_function("document.querySelectorAll('.health-line').length === 1")
    page.get_by_role("button", name="Noted").click()
    assert page.locator(".health-line").count() == 0
    stage.status(missing=36)
    line.get_by_text("36 readings are missing").wait_for()
    stage.status(state="offline")
    line.get_by_text("Ingest is offline").wait_for()
    watched.check()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1400, 390])
def test_a_device_page_fits_its_screen_in_both_themes(
    stage: Stage, open_page: Open, width: int, scheme: str
) -> None:
    viewport = {"width": width, "height": 900 if width > 600 else 844}
    watched = open_page(f"{stage.url}/devices/house/green%20room", viewport=viewport, color_scheme=scheme)
    watched.page.locator("#event-list li").nth(1).wait_for()
    overflow = watched.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"the page is {overflow} px wider than its screen"
    watched.check()


def test_the_page_of_a_device_that_was_never_heard_comes_to_life(stage: Stage, open_page: Open) -> None:
    watched = open_page(f"{stage.url}/devices/new/one")
    watched.page.get_by_text("Nothing has been heard of this device").wait_for()
    stage.client.publish("sensors/new/one/co2", '{"value":612,"unit":"ppm"}')
    watched.page.locator("#values").get_by_text("612").wait_for(timeout=15_000)
    assert watched.page.locator("#notice").inner_text() == ""
    watched.check()
