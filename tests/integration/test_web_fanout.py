"""Live frames written straight to sockets: slow, stalled, vanished and polling clients, in every async mode."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.waiting import wait_until
from tests.support.web_live import Page, PublishingBroker, Web
from tests.support.websocket_wire import CLOSE, PING, PONG, RawClient, masked

DEADLINE_S = 15.0
STALLED_S = 2.0

pytestmark = pytest.mark.mosquitto


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    """Return the first true answer of `check`."""
    return wait_until(check, DEADLINE_S, what, every_s=0.01)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishingBroker]:
    broker = PublishingBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.end()


def _web(mode: str, broker: PublishingBroker, folder: Any, **settings: object) -> Iterator[Web]:
    web = Web(mode, broker, folder / "readings.db", folder, WEB_STALLED_S=STALLED_S, **settings)
    wait_for("the web service to answer", lambda: _answers(web))
    yield web
    assert web.end() == 0
    assert "Traceback" not in web.log.read_text()


def _answers(web: Web) -> bool:
    assert web.process.poll() is None, web.log.read_text()
    try:
        return bool(web.get("/healthz")[0] == 200)
    except OSError:
        return False


@pytest.fixture(scope="module", params=["eventlet", "gevent", "threading"])
def web(
    request: pytest.FixtureRequest, broker: PublishingBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    yield from _web(request.param, broker, tmp_path_factory.mktemp(request.param))


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(web: Web) -> Iterator[OpenPage]:
    pages: list[Page] = []

    def open_one(*transports: str) -> Page:
        pages.append(Page(web, transports or ("websocket",)))
        pages[-1].call("watch", {"all": True})
        return pages[-1]

    yield open_one
    for page in pages:
        page.client.disconnect()


@pytest.fixture
def raw(web: Web) -> Iterator[RawClient]:
    client = RawClient(web.port)
    client.watch_all()
    yield client
    client.close()


def flood(broker: PublishingBroker, value: int) -> None:
    """Publish a frame's worth of 100 kB: what the kernel takes for a client that does not read is soon full."""
    now_ms = time.time_ns() // 10**6
    items = [{"value": value, "ts": now_ms - 3_000 + i} for i in range(3_000)]
    broker.publish("sensors/flood/t", json.dumps(items))


def flood_until(broker: PublishingBroker, check: Callable[[], bool]) -> int:
    """Publish until it is so; return the last value."""
    for value in range(1, 1_000):
        flood(broker, value)
        if check():
            return value
    raise AssertionError("a thousand frames of 100 kB went through")


def test_a_websocket_is_written_to_directly(web: Web, open_page: OpenPage, broker: PublishingBroker) -> None:
    page = open_page()
    before = web.metric("client_frames_total", path="direct")
    broker.publish("sensors/direct/t", "1")
    wait_for("the frame", lambda: page.values("direct", "t"))
    assert web.metric("client_frames_total", path="direct") == before + 1


def test_long_polling_gets_the_same_through_the_queue(
    web: Web, open_page: OpenPage, broker: PublishingBroker
) -> None:
    polling, direct = open_page("polling"), open_page()
    before = web.metric("client_frames_total", path="queued")
    broker.publish("sensors/polled/t", "1")
    wait_for("the frame by polling", lambda: polling.values("polled", "t"))
    wait_for("the frame by WebSocket", lambda: direct.values("polled", "t"))
    assert polling.told("frame")[-1] == direct.told("frame")[-1]
    assert web.metric("client_frames_total", path="queued") == before + 1


def test_a_connection_that_was_upgraded_is_written_to_directly(
    web: Web, open_page: OpenPage, broker: PublishingBroker
) -> None:
    page = open_page("polling", "websocket")
    wait_for("the upgrade", lambda: page.client.transport() == "websocket")
    sent = 0

    def is_direct() -> bool:
        nonlocal sent
        before = web.metric("client_frames_total", path="direct")
        sent += 1
        broker.publish("sensors/upgraded/t", str(sent))
        wait_for("the frame", lambda: page.values("upgraded", "t")[-1:] == [sent])
        return web.metric("client_frames_total", path="direct") == before + 1

    wait_for("a direct frame", is_direct)
    assert page.values("upgraded", "t") == [float(i + 1) for i in range(sent)]


def test_a_new_series_is_announced_before_its_first_frame(raw: RawClient, broker: PublishingBroker) -> None:
    broker.publish("sensors/announced/t", "1")
    wait_for("its first frame", lambda: raw.newest("announced", "t") == 1 or (raw.read() and False))
    texts = [frame.payload.decode() for frame in raw.heard if b"announced" in frame.payload]
    events = [text.removeprefix("42/livefeed,").split(",")[0] for text in texts]
    assert events == ['["device"', '["metric"', '["frame"']


def test_a_slow_reader_gets_the_newest_state_whole_and_keeps_nobody_waiting(
    web: Web, open_page: OpenPage, raw: RawClient, broker: PublishingBroker
) -> None:
    page = open_page()
    skipped = web.metric("frames_skipped_total")
    last = flood_until(broker, lambda: web.metric("frames_skipped_total") > skipped)
    wait_for("the other page to have the newest", lambda: page.values("flood", "t")[-1] == last)
    assert not any(frame.get("missed") for frame in page.told("frame"))
    # An answer of the WebSocket library's own comes in between, at a border of frames: RawClient checks every byte.
    raw.sock.sendall(masked(PING, b"still there?"))
    broker.publish("sensors/after/t", "7")
    wait_for("the newest state", lambda: raw.read() and raw.newest("flood", "t") == last)
    wait_for("what came afterwards", lambda: raw.newest("after", "t") == 7 or (raw.read() and False))
    wait_for(
        "the answer to the ping",
        lambda: (
            any(f.opcode == PONG and f.payload == b"still there?" for f in raw.heard) or (raw.read() and 0)
        ),
    )
    assert [frame.get("missed", False) for frame in raw.live()].count(True) >= 1
    cut = web.metric("clients_cut_total")
    raw.say("42/livefeed,2" + '["unwatch",{}]')
    raw.wait_for_text(b"43/livefeed,2")
    assert web.metric("clients_cut_total") == cut


def test_who_stops_reading_is_cut_and_the_others_stay(
    web: Web, open_page: OpenPage, raw: RawClient, broker: PublishingBroker
) -> None:
    page = open_page()
    cut, clients = web.metric("clients_cut_total"), web.metric("clients")
    flood_until(broker, lambda: web.metric("clients_cut_total") > cut)
    wait_for("the connection to be gone", lambda: web.metric("clients") == clients - 1)
    broker.publish("sensors/stays/t", "1")
    wait_for("a frame on the other page", lambda: page.values("stays", "t"))
    assert page.client.connected


def test_a_client_that_vanishes_in_the_middle_of_a_frame_is_forgotten(
    web: Web, open_page: OpenPage, raw: RawClient, broker: PublishingBroker
) -> None:
    page = open_page()
    clients, skipped = web.metric("clients"), web.metric("frames_skipped_total")
    flood_until(broker, lambda: web.metric("frames_skipped_total") > skipped)
    raw.close()
    wait_for("the connection to be gone", lambda: web.metric("clients") == clients - 1)
    broker.publish("sensors/vanished/t", "1")
    wait_for("a frame on the other page", lambda: page.values("vanished", "t"))


def test_a_goodbye_while_frames_are_written_is_answered(raw: RawClient, broker: PublishingBroker) -> None:
    for value in range(5):
        broker.publish("sensors/goodbye/t", str(value))
    raw.sock.sendall(masked(CLOSE, b"\x03\xe8"))
    wait_for("the goodbye", lambda: any(f.opcode == CLOSE for f in raw.heard) or (raw.read() and False))


def test_switched_off_everything_goes_through_the_queue(
    broker: PublishingBroker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for web in _web("eventlet", broker, tmp_path_factory.mktemp("off"), WEB_DIRECT_FRAMES="false"):
        page = Page(web)
        page.call("watch", {"all": True})
        broker.publish("sensors/off/t", "1")
        wait_for("the frame", lambda page=page: page.values("off", "t"))
        assert web.metric("client_frames_total", path="direct") == 0
        assert web.metric("client_frames_total", path="queued") >= 1
        page.client.disconnect()
