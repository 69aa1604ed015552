"""What the store keeps of loss: events with their spans, and each device's account."""

from collections.abc import Callable
from typing import Any

import pytest

from sensorline.errors import StoreUnavailable
from sensorline.events import Account, Event, EventKind
from sensorline.reading import Batch, Committed

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
EVER = (0, 2**62)


def hole(batch: Any, start_s: int, end_s: int | None, count: int = 3, device: str = "desk") -> Event:
    start_ns = batch.t0_ns + start_s * SECOND_NS
    end_ns = None if end_s is None else batch.t0_ns + end_s * SECOND_NS
    return Event(
        f"missing:{device}:{start_s}",
        EventKind.MISSING,
        device,
        start_ns,
        end_ns,
        count,
        [(7, 9)],
        "3 are missing",
    )


def an_event(
    batch: Any, event_id: str, kind: EventKind, device: str, start_s: int, end_s: int | None
) -> Event:
    end_ns = None if end_s is None else batch.t0_ns + end_s * SECOND_NS
    return Event(event_id, kind, device, batch.t0_ns + start_s * SECOND_NS, end_ns)


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_an_empty_store_has_no_events_and_no_accounts(store: Any) -> None:
    assert store.reader.events(*EVER) == []
    assert store.reader.accounts() == store.writer.accounts() == []
    assert store.writer.open_events() == []


def test_events_come_back_as_they_were_newest_first(store: Any, batch: Any) -> None:
    first = hole(batch, 0, 3)
    second = Event(
        'an "id"\\ of, its=own\n',
        EventKind.CLOCK,
        "küche/a b,c=d\\",
        batch.t0_ns + 5 * SECOND_NS + 1,
        None,
        0,
        [(1, 2), (2**53 - 1, 2**53)],
        'It said "2031",\nand\\or nothing.',
    )
    lost = an_event(batch, "lost", EventKind.SESSION_LOST, "", 2, 4)
    store.writer.commit(Batch(events=[first, second]))
    assert store.writer.commit(Batch(events=[lost])) == Committed(0, 0, 0)
    for _ in range(2):
        assert store.reader.events(*EVER) == [second, lost, first]
        assert store.new_reader().events(*EVER) == [second, lost, first]
        store.reopen()


def test_an_event_belongs_to_every_range_that_it_touches(store: Any, batch: Any) -> None:
    store.writer.commit(Batch(events=[hole(batch, 10, 20), hole(batch, 30, None)]))

    def between(start_s: int, end_s: int) -> list[str]:
        return ids(store.reader.events(batch.t0_ns + start_s * SECOND_NS, batch.t0_ns + end_s * SECOND_NS))

    assert between(0, 10) == []
    assert between(0, 11) == between(20, 21) == between(12, 13) == ["missing:desk:10"]
    assert between(21, 30) == []
    assert between(1_000_000, 1_000_001) == ["missing:desk:30"]
    assert between(15, 40) == ["missing:desk:30", "missing:desk:10"]


def test_an_event_replaces_the_one_with_its_id(store: Any, batch: Any) -> None:
    begun = an_event(batch, "a", EventKind.SILENT, "desk", 0, None)
    store.writer.commit(Batch(events=[begun, hole(batch, 0, 5, 3)]))
    assert store.writer.open_events() == [begun]
    ended = an_event(batch, "a", EventKind.SILENT, "desk", 0, 9)
    store.writer.commit(Batch(events=[hole(batch, 0, 5, 2), ended, hole(batch, 0, 5, 1)]))
    for _ in range(2):
        assert store.writer.open_events() == []
        found = {event.id: event for event in store.reader.events(*EVER)}
        assert found == {"a": ended, "missing:desk:0": hole(batch, 0, 5, 1)}
        store.reopen()


def test_a_hole_that_was_filled_is_gone_and_a_silence_that_ended_is_not(store: Any, batch: Any) -> None:
    silence = an_event(batch, "a", EventKind.SILENT, "desk", 0, 9)
    store.writer.commit(Batch(events=[hole(batch, 0, 5), silence]))
    store.writer.commit(Batch(events=[hole(batch, 0, 5, 0)]))
    assert store.reader.events(*EVER) == [silence]
    # Once more: what is gone is gone.
    store.writer.commit(Batch(events=[hole(batch, 0, 5, 0)]))
    store.reopen()
    assert store.reader.events(*EVER) == [silence]


def test_a_device_has_its_own_events_and_those_of_all(store: Any, batch: Any) -> None:
    events = [
        an_event(batch, "desk", EventKind.SILENT, "desk", 3, 4),
        an_event(batch, "hall", EventKind.SILENT, "hall", 2, 4),
        an_event(batch, "all", EventKind.STORE, "", 1, 4),
        an_event(batch, "clock", EventKind.CLOCK, "desk", 0, 4),
    ]
    store.writer.commit(Batch(events=events))
    reader = store.reader
    assert ids(reader.events(*EVER, "desk")) == ["desk", "all", "clock"]
    assert ids(reader.events(*EVER, "nobody")) == ["all"]
    assert ids(reader.events(*EVER, "")) == ["all"]
    assert ids(reader.events(*EVER, "desk", kind=EventKind.SILENT)) == ["desk"]
    assert ids(reader.events(*EVER, kind=EventKind.SILENT)) == ["desk", "hall"]


def test_a_limit_keeps_the_newest(store: Any, batch: Any) -> None:
    store.writer.commit(Batch(events=[hole(batch, s * 7 % 100, 200) for s in range(100)]))
    assert ids(store.reader.events(*EVER, limit=3)) == [f"missing:desk:{s}" for s in (99, 98, 97)]
    assert len(store.reader.events(*EVER)) == 100


def test_accounts_are_replaced_and_survive_a_restart(store: Any, batch: Any) -> None:
    first = Account(
        "desk", received=10, stored=8, rejected=1, duplicates=1, missing=2, updated_ns=batch.t0_ns
    )
    second = Account("desk", 20, 17, 1, 2, 1, 3, 4, 5, 2.5, -1_200, batch.t0_ns + 7)
    other = Account("a/b c", received=1, stored=1)
    store.writer.commit(Batch(accounts=[first]))
    store.writer.commit(batch.readings((0, 1.0)))
    store.writer.commit(Batch(accounts=[second, other]))
    for _ in range(2):
        assert store.reader.accounts() == [other, second]
        assert store.writer.accounts() == [other, second]
        store.reopen()


def test_events_and_accounts_are_part_of_their_commit(store: Any, batch: Any) -> None:
    store.writer.commit(Batch(events=[hole(batch, 0, None)], accounts=[Account("desk", 1)]))
    big = batch.readings(*((i, float(i)) for i in range(2_000)))
    big.events = [hole(batch, 0, 5), *(hole(batch, i, i + 1) for i in range(10, 500))]
    big.accounts = [Account("desk", 2_001)]
    store.fill_disk()
    with pytest.raises(StoreUnavailable):
        store.writer.commit(big)
    assert store.reader.events(*EVER) == store.writer.open_events() == [hole(batch, 0, None)]
    assert store.writer.accounts() == [Account("desk", 1)]
    store.free_disk()
    store.writer.commit(big)
    assert len(store.reader.events(*EVER)) == 491
    assert store.writer.open_events() == []
    assert store.reader.accounts() == [Account("desk", 2_001)]


def test_ended_events_are_bounded_and_the_newest_are_kept(
    make_store: Callable[..., Any], batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorline.stores.sqlite.events.EVENTS_MAX", 5)
    store = make_store()
    try:
        going_on = hole(batch, -100, None)
        store.writer.commit(Batch(events=[going_on, *(hole(batch, s, s + 1) for s in range(50))]))
        while store.writer.maintain(batch.t0_ns):
            pass
        store.writer.commit(batch.readings((1, 1.0)))
        assert store.reader.events(*EVER) == [*(hole(batch, s, s + 1) for s in range(49, 44, -1)), going_on]
    finally:
        store.close()


def test_a_device_pushes_out_its_own_ended_events_only(
    make_store: Callable[..., Any], batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorline.stores.sqlite.events.EVENTS_MAX", 8)
    monkeypatch.setattr("sensorline.stores.sqlite.events.EVENTS_OF_DEVICE_MAX", 5)
    store = make_store()
    try:
        quiet = hole(batch, -90, -80, device="quiet")
        noisy = [hole(batch, s, s + 1) for s in range(50)]
        store.writer.commit(Batch(events=[quiet, *noisy]))
        while store.writer.maintain(batch.t0_ns):
            pass
        store.writer.commit(batch.readings((1, 1.0)))
        assert store.reader.events(*EVER) == [*noisy[:44:-1], quiet]
    finally:
        store.close()


def test_ended_events_are_forgotten_with_the_readings(make_store: Callable[..., Any], batch: Any) -> None:
    store = make_store(keep_raw_days=10)
    try:
        day = 86_400
        events = [
            hole(batch, -12 * day, -11 * day),
            hole(batch, -13 * day, -9 * day),
            hole(batch, -14 * day, None),
        ]
        store.writer.commit(batch.readings((0, 1.0)))
        store.writer.commit(Batch(events=events))
        assert len(store.reader.events(*EVER)) == 3
        while store.writer.maintain(batch.t0_ns):
            pass
        store.writer.commit(batch.readings((1, 1.0)))
        assert store.reader.events(*EVER) == events[1:]
        assert store.writer.open_events() == [events[2]]
    finally:
        store.close()
