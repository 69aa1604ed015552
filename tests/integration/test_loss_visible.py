"""Loss made visible, with real processes: what was taken out on the way is told of, exactly, whatever dies meanwhile."""

import json
import random
import time
from typing import Any

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import wait_until

from sensorline import topics
from sensorline.events import Account, Event, EventKind
from sensorline.stores.sqlite import SqliteReader

COUNT = 10_000
LOST = 37
ARRAY = 50
SEED = 20261121


def events_in(ingest: Ingest) -> list[Event]:
    reader = SqliteReader(ingest.store)
    try:
        return reader.events(0, stored.EVER_NS)
    finally:
        reader.close()


def accounts_in(ingest: Ingest) -> dict[str, Account]:
    reader = SqliteReader(ingest.store)
    try:
        return {account.device: account for account in reader.accounts()}
    finally:
        reader.close()


def missing_in(ingest: Ingest) -> int:
    return sum(event.count for event in events_in(ingest) if event.kind is EventKind.MISSING)


def test_37_of_10_000_removed_in_transit_are_told_of_and_where(
    any_broker: Broker, make_ingest: MakeIngest
) -> None:
    """Singly and within arrays, and ingest is killed in the middle: page, API and metrics read what is checked here."""
    device, rng = unique("numbered"), random.Random(SEED)
    lost = set(rng.sample(range(1, COUNT - 1), LOST - 10)) | set(range(4_000, 4_010))
    lost |= set(rng.sample(sorted(set(range(1, COUNT - 1)) - lost), LOST - len(lost)))
    begin_ms = int(time.time() * 1000) - COUNT
    ingest = make_ingest(any_broker).start_ready()
    with Client(any_broker.port, filters=[topics.EVENTS_FILTER]) as client:
        for begin in range(0, COUNT, ARRAY):
            items = [
                {"value": n, "ts": begin_ms + n, "seq": n}
                for n in range(begin, begin + ARRAY)
                if n not in lost
            ]
            if begin % 500:
                client.send(f"sensors/{device}/m", json.dumps(items))
            else:
                for item in items:
                    client.send(f"sensors/{device}/m", json.dumps(item))
            if begin == COUNT // 2:
                wait_until(lambda: stored.count(ingest.store) > 0, 10, "some to be stored")
                ingest.kill()
                ingest.start_ready()
        wait_until(lambda: stored.count(ingest.store) == COUNT - LOST, 30, "all that came to be stored")
        wait_until(lambda: missing_in(ingest) == LOST, 20, lambda: f"37 to be missing: {events_in(ingest)}")
        ranges = sorted(r for event in events_in(ingest) for r in event.ranges)
        assert {n for first, last in ranges for n in range(first, last + 1)} == lost
        assert ingest.metric("sensorline_ingest_readings_missing") == LOST
        assert ingest.metric("sensorline_ingest_device_missing") == LOST
        assert accounts_in(ingest)[device].missing == LOST
        told = {e["id"]: e for e in client.json_of(f"sensorline/events/{device}")}
        assert sum(event["count"] for event in told.values() if event["kind"] == "missing") == LOST
        # They come after all, as a node's backlog does.
        late = [{"value": n, "ts": begin_ms + n, "seq": n} for n in sorted(lost)]
        client.send(f"sensors/{device}/m", json.dumps(late))
        wait_until(lambda: missing_in(ingest) == 0, 20, "the events to be withdrawn")
        wait_until(lambda: accounts_in(ingest)[device].missing == 0, 20, "the account to say so")
        account = accounts_in(ingest)[device]
        assert account.stored == COUNT
        assert account.received == account.stored + account.rejected + account.duplicates


def balance(status: dict[str, Any]) -> bool:
    known = status["stored"] + status["rejected"] + status["duplicates"] + status["undecided"]
    return bool(status["accepted"] == known and status["unaccounted"] == 0)


def test_the_books_balance_at_any_moment_in_status_and_metrics(
    any_broker: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("booked")
    ingest = make_ingest(any_broker).start_ready()
    with Client(any_broker.port, filters=[topics.INGEST_STATUS]) as client:
        now_ms = int(time.time() * 1000)
        for n in range(600):
            body = json.dumps({"value": n // 2, "ts": now_ms + n // 2, "seq": n // 2})
            client.send(f"sensors/{device}/m", "bad" if n % 50 == 49 else body)
        wait_until(
            lambda: any(s.get("accepted") == 600 for s in client.json_of(topics.INGEST_STATUS)),
            15,
            "the status to count 600",
        )
        statuses = [s for s in client.json_of(topics.INGEST_STATUS) if s.get("state") == "running"]
        assert all(map(balance, statuses))
        last = statuses[-1]
        # Of each pair one is a repetition; where a bad message took its place, there is none.
        assert (last["stored"], last["rejected"], last["duplicates"]) == (300, 12, 288)
        metric = {
            name: ingest.metric(f"sensorline_ingest_{name}_total")
            for name in ("readings_accepted", "readings_stored", "messages_rejected", "readings_discarded")
        }
        assert list(metric.values()) == [600, 300, 12, 288]
        wait_until(
            lambda: accounts_in(ingest).get(device, Account("")).duplicates == 288,
            20,
            "the account to follow",
        )
        account = accounts_in(ingest)[device]
        assert (account.received, account.stored, account.rejected) == (600, 300, 12)


@pytest.mark.mosquitto
def test_a_session_that_the_broker_lost_is_an_event(mosquitto: Broker, make_ingest: MakeIngest) -> None:
    ingest = make_ingest(mosquitto).start_ready()
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{unique('before')}/m", "1")
        wait_until(lambda: stored.count(ingest.store) == 1, 10, "the reading to be stored")
    assert events_in(ingest) == []
    mosquitto.kill()
    for path in mosquitto.folder.rglob("*.db"):
        path.unlink()
    mosquitto.start()
    wait_until(
        lambda: [e.kind for e in events_in(ingest)] == [EventKind.SESSION_LOST], 30, "the event to be stored"
    )
    (event,) = events_in(ingest)
    assert event.device == ""
    assert event.end_ns is not None
    assert 0 < event.end_ns - event.start_ns < 60 * 10**9


def test_a_device_that_falls_silent_is_an_event_and_ends(any_broker: Broker, make_ingest: MakeIngest) -> None:
    device = unique("silent")
    make_ingest(any_broker).start_ready()
    with Client(any_broker.port, filters=[topics.EVENTS_FILTER]) as client:
        client.publish(f"sensors/{device}/$meta", '{"interval_s":0.5}', retain=True)
        client.publish(f"sensors/{device}/m", "1")
        wait_until(lambda: len(client.json_of(f"sensorline/events/{device}")) == 1, 20, "the silence")
        client.publish(f"sensors/{device}/m", "2")
        wait_until(lambda: len(client.json_of(f"sensorline/events/{device}")) == 2, 10, "its end")
        begun, ended = client.json_of(f"sensorline/events/{device}")
        assert (begun["kind"], begun["end"], ended["id"]) == ("silent", None, begun["id"])
        assert ended["end"] > ended["start"]


def test_the_books_are_right_after_kills_at_any_instant(any_broker: Broker, make_ingest: MakeIngest) -> None:
    """A numbered device loses every hundredth reading; ingest is killed again and again while they come."""
    device, rng = unique("killed"), random.Random(SEED)
    count, begin_ms = 6_000, int(time.time() * 1000) - 6_000
    lost = set(range(50, count, 100))
    ingest = make_ingest(any_broker).start_ready()
    with Client(any_broker.port) as client:
        for n in range(count):
            if n not in lost:
                client.send(f"sensors/{device}/m", json.dumps({"value": n, "ts": begin_ms + n, "seq": n}))
            if n % 1_000 == 999:
                time.sleep(rng.uniform(0, 0.3))
                ingest.kill()
                ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == count - len(lost), 30, "all that came to be stored")
    wait_until(lambda: missing_in(ingest) == len(lost), 20, lambda: f"the missing: {events_in(ingest)}")
    wait_until(
        lambda: accounts_in(ingest)[device].stored == count - len(lost),
        20,
        lambda: f"the account to be right: {accounts_in(ingest)}",
    )
    account = accounts_in(ingest)[device]
    assert account.missing == len(lost)
    assert account.received == account.stored + account.rejected + account.duplicates
    assert ingest.metric("sensorline_ingest_readings_missing") == len(lost)
    assert ingest.metric("sensorline_ingest_readings_unaccounted") == 0
