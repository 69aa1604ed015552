"""What a person sees: real Mosquitto, ingest, web and Chromium."""

import subprocess
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.e2e.conftest import Pipeline
from tests.support.publishers import Client
from tests.support.waiting import wait_until
from tests.support.web import Watched

pytestmark = [pytest.mark.mosquitto, pytest.mark.chromium]

Open = Callable[..., Watched]

# What Chromium itself writes when a test takes the server away.
SERVER_AWAY = ("ERR_CONNECTION", "WebSocket connection", "Failed to load resource")


def now_ms() -> int:
    return time.time_ns() // 10**6


def mosquitto_pub(port: int, topic: str, payload: str) -> None:
    subprocess.run(
        ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-m", payload], check=True, timeout=10
    )


def publish_history(
    client: Client, device: str, metric: str, first_ms: int, step_ms: int, count: int
) -> list[int]:
    """Publish readings with times of their own, value n at time n; return the times."""
    times = [first_ms + n * step_ms for n in range(count)]
    for n, t in enumerate(times):
        client.send(f"sensors/{device}/{metric}", f'{{"value":{n % 50},"ts":{t}}}')
    client.publish(f"sensors/{device}/$status", "online", retain=True)
    return times


def test_the_first_run_says_which_command_publishes_a_reading_and_reacts_to_it(
    pipeline: Pipeline, open_page: Open
) -> None:
    watched = open_page(pipeline.web.url)
    line = watched.page.locator(".first-run code").first
    line.wait_for()
    assert f"-p {pipeline.broker.port} " in line.inner_text()
    assert "sensors/desk/temperature" in line.inner_text()
    mosquitto_pub(pipeline.broker.port, "sensors/desk/temperature", "21.5")
    watched.wait_for_points("desk", "temperature", "points.some(p => p.mean === 21.5)", 5)
    watched.page.get_by_text("21.5").first.wait_for()
    watched.check()


def test_a_reading_of_mosquitto_pub_is_drawn_and_a_reload_keeps_it(
    pipeline: Pipeline, open_page: Open
) -> None:
    mosquitto_pub(pipeline.broker.port, "sensors/desk/temperature", "20")
    watched = open_page(pipeline.web.url)
    watched.wait_for_points("desk", "temperature", "points.length === 1")
    mosquitto_pub(pipeline.broker.port, "sensors/desk/temperature", '{"value":21.5,"unit":"°C"}')
    watched.wait_for_points("desk", "temperature", "points.length === 2 && points[1].mean === 21.5", 2)
    watched.page.get_by_text("°C").first.wait_for()
    wait_until(
        lambda: pipeline.ingest.metric("sensorline_ingest_readings_stored_total") == 2, 5, "both to be stored"
    )
    watched.page.reload()
    watched.page.wait_for_function("() => window.sensorline !== undefined")
    watched.wait_for_points("desk", "temperature", "points.length === 2 && points[1].mean === 21.5")
    watched.wait_for_pill("Live")
    watched.check()


def test_a_restarted_broker_is_told_and_the_gap_is_filled(pipeline: Pipeline, open_page: Open) -> None:
    port = pipeline.broker.port
    with Client(port) as client:
        times = publish_history(client, "desk", "t", now_ms() - 60_000, 1_000, 50)
    watched = open_page(pipeline.web.url + "/#range=5m")
    watched.wait_for_points("desk", "t", "points.length === 50")
    watched.wait_for_pill("Live")
    pipeline.broker.stop()
    watched.wait_for_pill("Broker unreachable")
    pipeline.broker.start()
    watched.wait_for_pill("Live")
    # What a node measured meanwhile arrives late, with its own times.
    with Client(port) as client:
        times += publish_history(client, "desk", "t", times[-1] + 1_000, 1_000, 10)
    watched.wait_for_points("desk", "t", "points.length === 60", 20)
    assert [p["t"] for p in watched.points("desk", "t")] == times
    watched.check()


def test_what_was_published_while_the_page_had_no_server_is_there_when_it_has_one_again(
    pipeline: Pipeline, open_page: Open
) -> None:
    port = pipeline.broker.port
    with Client(port) as client:
        times = publish_history(client, "desk", "t", now_ms() - 60_000, 1_000, 20)
        watched = open_page(pipeline.web.url + "/#range=5m")
        watched.wait_for_points("desk", "t", "points.length === 20")
        pipeline.web.kill()
        watched.page.wait_for_function(
            "() => !['Live', 'Connecting'].includes(document.querySelector('#pill-words').textContent)"
        )
        times += publish_history(client, "desk", "t", times[-1] + 1_000, 1_000, 20)
        pipeline.web.start_ready()
        watched.wait_for_pill("Live")
        times += publish_history(client, "desk", "t", times[-1] + 1_000, 1_000, 5)
        watched.wait_for_points("desk", "t", "points.length === 45", 20)
    assert [p["t"] for p in watched.points("desk", "t")] == times
    watched.check(tolerates=SERVER_AWAY)


@pytest.mark.parametrize("range_id", ["5m", "1h"])
def test_half_an_hour_of_history_and_live_is_one_line(
    pipeline: Pipeline, open_page: Open, range_id: str
) -> None:
    """Every reading once, in order, without a hole: as single readings (5 m) and as buckets (1 h)."""
    step_ms, live = 1_000, 30
    first_ms = now_ms() // 1_000 * 1_000 - 1_800_000
    with Client(pipeline.broker.port) as client:
        times = publish_history(client, "desk", "t", first_ms, step_ms, 1_800)
        watched = open_page(f"{pipeline.web.url}/#range={range_id}")
        # History arrives while live readings do, ten a second: the seam is what can go wrong. The wait is the device's pace.
        for _ in range(live):
            times.append(max(now_ms(), times[-1] + 1))
            client.send("sensors/desk/t", f'{{"value":5,"ts":{times[-1]}}}')
            watched.page.wait_for_timeout(100)
        client.publish("sensors/desk/t", f'{{"value":6,"ts":{times[-1] + 1}}}')
        times.append(times[-1] + 1)
    watched.wait_for_points("desk", "t", f"points.length > 0 && points.at(-1).t + {120_000} > {times[-1]}")
    total = "points.reduce((sum, p) => sum + p.n, 0)"
    if range_id == "5m":
        watched.wait_for_points("desk", "t", f"points.at(-1).t === {times[-1]}")
        drawn = watched.points("desk", "t")
        assert all(p["n"] == 1 for p in drawn)
        wanted = [t for t in times if t >= drawn[0]["t"]]
        assert [p["t"] for p in drawn] == wanted
        assert len(drawn) > 250
    else:
        watched.wait_for_points("desk", "t", f"{total} === {len(times)}")
        starts = [p["t"] for p in watched.points("desk", "t")]
        gaps = {b - a for a, b in pairwise(starts)}
        assert len(gaps) == 1, f"buckets are {gaps} ms apart"
    watched.check()


def test_a_reading_without_a_time_is_drawn_once_before_and_after_history_is_loaded_again(
    pipeline: Pipeline, open_page: Open
) -> None:
    with Client(pipeline.broker.port) as client:
        client.publish("sensors/desk/t", "1")
        watched = open_page(f"{pipeline.web.url}/#range=5m")
        watched.wait_for_points("desk", "t", "points.length === 1")
        for n in range(2, 12):
            # Equal neighbours, each in a millisecond of its own.
            client.publish("sensors/desk/t", str(n // 3))
            watched.wait_for_points("desk", "t", f"points.length === {n}")
        watched.wait_for_points("desk", "t", "points.length === 11")
        watched.page.locator("#ranges button").nth(1).click()
        watched.page.locator("#ranges button").nth(0).click()
        watched.page.wait_for_function("() => window.sensorline.state().range === '5m'")
        watched.wait_for_points("desk", "t", "points.length === 11")
    watched.check()


def test_a_device_that_dies_is_offline_in_word_and_colour(pipeline: Pipeline, open_page: Open) -> None:
    with Client(pipeline.broker.port) as client:
        client.publish("sensors/desk/t", "1")
        client.publish("sensors/desk/$status", "online", retain=True)
        watched = open_page(pipeline.web.url)
        card = watched.page.locator("#cards li").first
        card.get_by_text("online", exact=False).wait_for()
        client.publish("sensors/desk/$status", "offline", retain=True)
        card.get_by_text("offline", exact=False).wait_for()
    watched.check()


def test_pause_holds_the_line_still_and_resume_catches_up(pipeline: Pipeline, open_page: Open) -> None:
    with Client(pipeline.broker.port) as client:
        client.publish("sensors/desk/t", "1")
        watched = open_page(pipeline.web.url)
        watched.wait_for_points("desk", "t", "points.length === 1")
        watched.page.locator("#pause").click()
        watched.wait_for_pill("Paused")
        for n in range(5):
            client.publish("sensors/desk/t", str(n))
        watched.page.wait_for_function("() => window.sensorline.state().missed === 5")
        watched.page.locator("#pause").click()
        watched.wait_for_points("desk", "t", "points.length === 6")
    watched.check()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_fits_its_screen_in_both_themes(
    pipeline: Pipeline, open_page: Open, width: int, scheme: str
) -> None:
    with Client(pipeline.broker.port) as client:
        for device, metric, base in (
            ("Greenhouse", "temperature", 20),
            ("Living room", "temperature", 18),
            ("Greenhouse", "humidity", 60),
        ):
            for n in range(120):
                client.send(
                    f"sensors/{device}/{metric}",
                    f'{{"value":{base + n % 17 / 5},"ts":{now_ms() - 600_000 + n * 5_000}}}',
                )
        client.publish("sensors/Greenhouse/$status", "online", retain=True)
        viewport = {"width": width, "height": 900 if width > 600 else 844}
        watched = open_page(f"{pipeline.web.url}/#range=15m", viewport=viewport, color_scheme=scheme)
        watched.wait_for_points("Greenhouse", "humidity", "points.length > 50")
        watched.page.wait_for_function(
            "() => window.sensorline.state().panels.every(panel => panel.face === 'data' || !panel.visible)"
        )
    overflow = watched.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, f"the page is {overflow} px wider than its screen"
    watched.check()
