"""The live namespace over real sockets: a private Mosquitto, the web service in a process of its own, in every async mode."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio
import websocket
from tests.support.waiting import wait_until
from tests.support.web_live import NAMESPACE, Page, PublishingBroker, Web

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter

DEADLINE_S = 10.0

pytestmark = pytest.mark.mosquitto

T0_MS = time.time_ns() // 10**9 * 1_000 - 3_600_000
"""An hour ago: readings older than the store keeps are refused, live too."""


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    """Return the first true answer of `check`."""
    return wait_until(check, DEADLINE_S, what, every_s=0.01)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishingBroker]:
    broker = PublishingBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.end()


@pytest.fixture(scope="module", params=["eventlet", "gevent", "threading"])
def web(
    request: pytest.FixtureRequest, broker: PublishingBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp(request.param)
    store = folder / "readings.db"
    writer = SqliteWriter(StoreSettings(path=store))
    writer.commit(Batch.of(readings=[Reading(Series("stored", "t"), 1_760_000_000 * 10**9, 1.0)]))
    writer.close()
    web = Web(request.param, broker, store, folder)
    wait_for("the web service to be ready", web.is_ready)
    yield web
    if web.process.poll() is None:
        web.end()


@pytest.fixture
def open_page(web: Web) -> Iterator[Callable[[], Page]]:
    pages: list[Page] = []

    def open_one() -> Page:
        pages.append(Page(web))
        return pages[-1]

    yield open_one
    for page in pages:
        page.client.disconnect()


OpenPage = Callable[[], Page]


def test_the_first_reading_after_a_pause_arrives_at_once(
    open_page: OpenPage, broker: PublishingBroker
) -> None:
    page = open_page()
    assert page.call("watch", {"series": [["first", "t"]]}) == {"ok": True}
    sent_s = time.monotonic()
    broker.publish("sensors/first/t", f'{{"value":21.5,"unit":"°C","ts":{T0_MS + 123}}}')
    frame = wait_for("the first frame", lambda: page.told("frame"))[0]
    assert time.monotonic() - sent_s < 0.5
    assert frame["series"] == [["first", "t", [T0_MS + 123], [21.5], 1]]
    assert abs(frame["t"] - time.time() * 1000) < 5_000
    assert "first" in [entry["device"] for entry in page.told("device")]
    assert {"device": "first", "metric": "t", "unit": "°C", "name": None} in page.told("metric")


def test_an_event_comes_to_those_who_watch_its_device(open_page: OpenPage, broker: PublishingBroker) -> None:
    watching, other = open_page(), open_page()
    watching.call("watch", {"series": [["hall/door", "open"]]})
    other.call("watch", {"series": [["desk", "t"]]})
    event = {"id": "a", "kind": "silent", "device": "hall/door", "start": T0_MS, "end": None}
    event |= {"count": 0, "ranges": [], "detail": "No reading for 30 s."}
    for_all = event | {"id": "b", "kind": "session_lost", "device": "", "end": T0_MS + 0.5}
    broker.publish("sensorline/events/hall/door", json.dumps(event))
    broker.publish("sensorline/events/$all", json.dumps(for_all))
    wait_for("the event that concerns all", lambda: other.told("event"))
    wait_for("both events", lambda: len(watching.told("event")) == 2)
    assert watching.told("event") == [event, for_all]
    assert other.told("event") == [for_all]


def test_a_burst_of_a_hundred_readings_is_a_few_frames(open_page: OpenPage, broker: PublishingBroker) -> None:
    page = open_page()
    page.call("watch", {"all": True})
    items = [{"value": i, "ts": T0_MS + i} for i in range(10)]
    for part in range(10):
        broker.publish("sensors/burst/t", json.dumps([i | {"value": part * 10 + i["value"]} for i in items]))
    wait_for("all hundred", lambda: len(page.values("burst", "t")) == 100)
    assert page.values("burst", "t") == [float(i) for i in range(100)]
    assert len(page.told("frame")) <= 10


def test_a_page_gets_what_it_watches_until_it_unwatches(
    open_page: OpenPage, broker: PublishingBroker
) -> None:
    narrow, wide = open_page(), open_page()
    narrow.call("watch", {"series": [["filter", "a"]]})
    wide.call("watch", {"all": True})
    broker.publish("sensors/filter", '{"a":1,"b":2}')
    wait_for(
        "both series on the wide page", lambda: wide.values("filter", "a") and wide.values("filter", "b")
    )
    wait_for("the series on the narrow page", lambda: narrow.values("filter", "a"))
    assert narrow.values("filter", "b") == []
    narrow.call("unwatch", {})
    broker.publish("sensors/filter", '{"a":3}')
    wait_for("the next value on the wide page", lambda: wide.values("filter", "a") == [1.0, 3.0])
    # A round trip on the same connection: whatever had been sent to it before would be here by now.
    assert narrow.call("watch", {"series": [["filter"]]})["ok"] is False
    assert narrow.values("filter", "a") == [1.0]


def test_nothing_is_said_before_the_connection_is_accepted(
    web: Web, open_page: OpenPage, broker: PublishingBroker
) -> None:
    witness = open_page()
    witness.call("watch", {"all": True})
    address = web.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    stranger = websocket.create_connection(
        address, timeout=5, header=["Sec-WebSocket-Extensions: permessage-deflate"]
    )
    try:
        assert "sec-websocket-extensions" not in stranger.getheaders()
        assert stranger.recv().startswith("0{")
        broker.publish("sensors/secret/t", "1")
        wait_for("the witness to see it", lambda: witness.values("secret", "t"))
        stranger.send("40/livefeed,")
        assert stranger.recv().startswith('40/livefeed,{"sid":')
        assert stranger.recv().startswith('42/livefeed,["state",{"broker":"connected"')
        # Accepted, but it watches nothing: it hears of new devices and of no reading.
        broker.publish("sensors/secret2/t", "2")
        assert stranger.recv().startswith('42/livefeed,["device"')
        assert stranger.recv().startswith('42/livefeed,["metric"')
    finally:
        stranger.shutdown()


def test_strangers_and_giants_are_turned_away(web: Web) -> None:
    address = web.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(address, timeout=5, origin="http://elsewhere.example")
    same = websocket.create_connection(address, timeout=5, origin=web.url)
    same.recv()
    same.send("40/livefeed,")
    same.recv()
    same.recv()
    same.send('42/livefeed,["watch",{"series":"' + "x" * 100_000 + '"}]')
    try:
        assert wait_for("the giant's connection to end", lambda: _is_over(same))
    finally:
        same.shutdown()


def _is_over(connection: websocket.WebSocket) -> bool:
    try:
        return not connection.recv()
    except (websocket.WebSocketException, OSError):
        return True


@pytest.mark.parametrize(
    "wish", [{"series": [["a", 1]]}, {"series": [["a", "b"]] * 501}, [], None, "x" * 1000]
)
def test_a_wish_that_is_none_gets_an_answer_in_words(open_page: OpenPage, wish: Any) -> None:
    answer = open_page().call("watch", wish)
    assert answer["ok"] is False
    assert answer["error"]


def test_nonsense_on_the_socket_ends_only_that_socket(
    web: Web, open_page: OpenPage, broker: PublishingBroker
) -> None:
    address = web.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    for nonsense in (
        "9",
        "42",
        "42/livefeed,[",
        '42/livefeed,["watch"',
        "4" + "[" * 5_000,
        "451-[]",
        "40/other,",
    ):
        bad = websocket.create_connection(address, timeout=5)
        bad.send(nonsense)
        bad.shutdown()
    page = open_page()
    page.call("watch", {"all": True})
    broker.publish("sensors/after/t", "1")
    wait_for("a reading after the nonsense", lambda: page.values("after", "t"))


def test_the_api_is_served_with_live_and_stored_devices(web: Web, broker: PublishingBroker) -> None:
    broker.publish("sensors/api/t", "5")
    devices = wait_for("the device in the API", lambda: {"api", "stored"} <= _names(web))
    assert devices
    status, headers, body = web.get(
        "/api/v1/series?device=stored&metric=t&from=1760000000000&to=1760000001000"
    )
    assert (status, json.loads(body)["series"][0]["mean"]) == (200, [1.0])
    assert not any(character.isdigit() for character in headers.get("Server", ""))
    status, headers, _ = web.get("/api/v1/none")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")


def _names(web: Web) -> set[str]:
    return {entry["device"] for entry in json.loads(web.get("/api/v1/devices")[2])["devices"]}


def test_polling_works_where_websockets_do_not(web: Web) -> None:
    told: list[Any] = []
    client = socketio.Client(reconnection=False, handle_sigint=False)
    client.on("state", told.append, namespace=NAMESPACE)
    client.connect(web.url, transports=["polling"], namespaces=[NAMESPACE], wait_timeout=5)
    try:
        wait_for("the state", lambda: told)
    finally:
        client.disconnect()


def test_a_broker_that_goes_and_comes_is_told(open_page: OpenPage, broker: PublishingBroker) -> None:
    page = open_page()
    page.call("watch", {"series": [["back", "t"]]})
    wait_for("the first state", lambda: page.told("state"))
    assert page.told("state")[0]["broker"] == "connected"
    broker.end()
    wait_for("the end of the connection", lambda: page.told("state")[-1]["broker"] == "disconnected")
    broker.start()
    broker.publish("sensorline/ingest/$status", '{"state":"storing"}', retain=True)
    wait_for("the connection", lambda: page.told("state")[-1]["broker"] == "connected")
    wait_for("ingest's word", lambda: page.told("state")[-1]["ingest"] == {"state": "storing"})
    broker.publish("sensors/back/t", "7")
    wait_for("readings again", lambda: page.values("back", "t") == [7.0])


def test_sigterm_ends_it_within_two_seconds_with_pages_open(web: Web, open_page: OpenPage) -> None:
    pages = [open_page() for _ in range(3)]
    began_s = time.monotonic()
    assert web.end() == 0, web.log.read_text()
    assert time.monotonic() - began_s < 2.0
    wait_for("the pages to notice", lambda: not any(page.client.connected for page in pages))
    assert "Traceback" not in web.log.read_text()
