"""Events and accounts on their way to people: the REST API, and live to those who watch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from flask.testing import FlaskClient

from sensorline import topics
from sensorline.events import Account, Event, EventKind, EventMessage
from sensorline.reading import Batch, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline_web.live.emitter import LIVE_ROOM
from sensorline_web.live.groups import ALL_ROOM, Groups, room_of
from sensorline_web.services import services

T0_MS = 1_760_000_000_000
T0_NS = T0_MS * 10**6

HOLE = Event(
    "missing:desk:7",
    EventKind.MISSING,
    "desk",
    T0_NS + 500,
    T0_NS + 4 * 10**9,
    37,
    [(7, 40), (50, 52)],
    "37 are missing",
)
SILENCE = Event("silent:hall/door:1", EventKind.SILENT, "hall/door", T0_NS + 2 * 10**9, None)
LOST = Event("session:1", EventKind.SESSION_LOST, "", T0_NS + 3 * 10**9, T0_NS + 5 * 10**9)
SPAN = f"from={T0_MS}&to={T0_MS + 600_000}"

HOLE_SHOWN = {
    "id": "missing:desk:7",
    "kind": "missing",
    "device": "desk",
    "start": T0_MS + 0.0005,
    "end": T0_MS + 4_000,
    "count": 37,
    "ranges": [[7, 40], [50, 52]],
    "detail": "37 are missing",
}


@pytest.fixture
def add(store_path: Path) -> Callable[[Batch], None]:
    def commit(batch: Batch) -> None:
        writer = SqliteWriter(StoreSettings(path=store_path))
        writer.commit(batch)
        writer.close()

    return commit


def ids(client: FlaskClient, query: str) -> list[str]:
    answer = client.get(f"/api/v1/events?{query}")
    assert answer.status_code == 200, answer.data
    return [event["id"].split(":")[0] for event in answer.get_json()["events"]]


def test_events_of_a_range_come_newest_first(client: FlaskClient, add: Callable[[Batch], None]) -> None:
    assert ids(client, SPAN) == []
    add(Batch(events=[HOLE, SILENCE, LOST]))
    body = client.get(f"/api/v1/events?{SPAN}").get_json()
    assert [event["id"] for event in body["events"]] == [LOST.id, SILENCE.id, HOLE.id]
    assert body["events"][2] == HOLE_SHOWN
    assert body["events"][1]["end"] is None
    assert body["now"] > T0_MS
    # What goes on is in every later range, also in the one of today that is meant when none is given.
    assert ids(client, "") == ["silent"]
    assert ids(client, f"from={T0_MS - 1000}&to={T0_MS}") == []


def test_events_can_be_chosen(client: FlaskClient, add: Callable[[Batch], None]) -> None:
    add(Batch(events=[HOLE, SILENCE, LOST]))
    assert ids(client, f"{SPAN}&device=desk") == ["session", "missing"]
    assert ids(client, f"{SPAN}&device=hall/door") == ["session", "silent"]
    assert ids(client, f"{SPAN}&kind=missing") == ["missing"]
    assert ids(client, f"{SPAN}&kind=silent&device=desk") == []
    assert ids(client, f"{SPAN}&limit=1") == ["session"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("from=noon", "from"),
        (f"from={T0_MS}&to={T0_MS}", "from"),
        ("kind=broken", "kind"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("device=a%2Bb", "device"),
        ("device=a&device=b", "device"),
        ("start=now-1h", "start"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_words(
    client: FlaskClient, query: str, parameter: str
) -> None:
    answer = client.get(f"/api/v1/events?{query}")
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, parameter)


def test_events_without_a_store_are_unavailable(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    client = make_app(path=tmp_path / "none.db").test_client()
    assert client.get("/api/v1/events").status_code == 503


def test_a_device_has_its_account(client: FlaskClient, add: Callable[[Batch], None]) -> None:
    add(Batch(accounts=[Account("desk", 700, 661, 1, 1, 37, 5, 2, 0, 1.0, -20, T0_NS)]))
    desk, door = client.get("/api/v1/devices").get_json()["devices"]
    assert desk["account"] == {
        "received": 700,
        "stored": 661,
        "rejected": 1,
        "duplicates": 1,
        "missing": 37,
        "late": 5,
        "out_of_order": 2,
        "refused": 0,
        "interval_s": 1.0,
        "skew_ms": -20,
    }
    assert door["account"] is None


def test_an_event_is_told_to_those_who_watch_its_device(make_app: Callable[..., Flask], link: Any) -> None:
    told: list[tuple[list[str], str, Any]] = []
    app = make_app()
    feed = services(app).feed
    feed._tell_rooms = lambda rooms, event, data, now_s: told.append((list(rooms), event, data))
    desk, both = (
        frozenset({Series("desk", "t")}),
        frozenset({Series("desk", "h"), Series("hall/door", "open")}),
    )
    for member, wish in (("a", desk), ("b", both), ("c", None), ("d", frozenset({Series("lab", "t")}))):
        feed.coalescer.watch(member, wish)
    for event in (HOLE, SILENCE, LOST):
        message = EventMessage.of(event)
        link.put(topics.events_topic(event.device), msgspec.json.encode(message))
        feed.step()
    assert told == [
        (sorted([room_of(desk), room_of(both), ALL_ROOM]), "event", EventMessage.of(HOLE)),
        (sorted([room_of(both), ALL_ROOM]), "event", EventMessage.of(SILENCE)),
        ([LIVE_ROOM], "event", EventMessage.of(LOST)),
    ]
    assert json.loads(msgspec.json.encode(told[0][2])) == HOLE_SHOWN


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("sensorline/events/desk", "no JSON"),
        ("sensorline/events/desk", '{"id":"a"}'),
        ("sensorline/events/desk", "[" * 100_000),
        ("sensorline/events/desk", json.dumps(HOLE_SHOWN | {"detail": "x" * 70_000})),
        ("sensorline/events/hall", json.dumps(HOLE_SHOWN)),
        ("sensorline/events/$all", json.dumps(HOLE_SHOWN)),
    ],
)
def test_what_is_no_event_of_its_topic_is_passed_over(
    make_app: Callable[..., Flask], link: Any, topic: str, payload: str
) -> None:
    told: list[Any] = []
    app = make_app()
    feed = services(app).feed
    feed._tell_rooms = lambda *arguments: told.append(arguments)
    link.put(topic, payload)
    link.put("sensorline/events/desk", json.dumps(HOLE_SHOWN))
    for _ in range(2):
        feed.step()
    assert len(told) == 1


def test_after_an_event_the_account_of_that_moment_is_read(
    make_app: Callable[..., Flask], link: Any, add: Callable[[Batch], None]
) -> None:
    app = make_app()
    client = app.test_client()
    assert client.get("/api/v1/devices").get_json()["devices"][0]["account"] is None
    add(Batch(accounts=[Account("desk", missing=37)], events=[HOLE]))
    link.put("sensorline/events/desk", json.dumps(HOLE_SHOWN))
    services(app).feed.step()
    assert client.get("/api/v1/devices").get_json()["devices"][0]["account"]["missing"] == 37


def test_rooms_end_with_their_members() -> None:
    groups = Groups()
    groups.watch("x", frozenset({Series("desk", "t")}))
    assert groups.rooms_of("desk") == [room_of(frozenset({Series("desk", "t")}))]
    groups.watch("x", None)
    assert groups.rooms_of("desk") == [ALL_ROOM]
    groups.forget("x")
    assert groups.rooms_of("desk") == []
