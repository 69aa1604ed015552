"""Spells: late, disordered, repeated and rejected readings are one event each, from the first to the last before a quiet minute."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support.tracked import MS, Ingest

from sensorline.events import Event, EventKind
from sensorline_ingest.tracking.books import Books
from sensorline_ingest.tracking.spells import MAX_REASONS, Spell, Spells

S = 10**9


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = Ingest(tmp_path / "a.db")
    yield made
    made.writer.close()


def late(ingest: Ingest, age_s: int = 3_600) -> None:
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms - age_s * 1_000}}}')


def told(ingest: Ingest, kind: EventKind) -> list[Event]:
    return [event for event in reversed(ingest.told()) if event.kind is kind]


def span_s(ingest: Ingest, event: Event) -> tuple[float, float | None]:
    """Return its begin and end in seconds before now."""
    now_ns = ingest.now_ms * MS
    return (now_ns - event.start_ns) / S, None if event.end_ns is None else (now_ns - event.end_ns) / S


def test_a_backlog_is_one_late_spell_from_its_first_reading_to_its_last(ingest: Ingest) -> None:
    for second in range(35):
        late(ingest, 3_600 - second)
        ingest.wait(1)
    (going_on,) = told(ingest, EventKind.LATE)
    assert span_s(ingest, going_on) == (35, None)
    # Begun at once, then every ten seconds.
    assert [e.count for e in ingest.events if e.kind is EventKind.LATE] == [1, 10, 20, 30]
    ingest.wait(58)
    assert told(ingest, EventKind.LATE)[0].end_ns is None
    ingest.wait(2)
    (ended,) = told(ingest, EventKind.LATE)
    assert (ended.id, ended.count) == (going_on.id, 35)
    assert span_s(ingest, ended) == (95, 61)
    assert ended.detail.startswith("35 readings came late: more than 10 s")
    ingest.wait(100)
    assert len(told(ingest, EventKind.LATE)) == 1
    late(ingest)
    assert [e.end_ns is None for e in told(ingest, EventKind.LATE)] == [False, True]


def test_a_spell_goes_on_and_ends_after_a_kill_at_any_moment(ingest: Ingest) -> None:
    for _ in range(15):
        late(ingest)
        ingest.now_ms += 1_000
        ingest.kill()
    ingest.wait(61)
    (ended,) = told(ingest, EventKind.LATE)
    assert (ended.count, ended.end_ns) == (15, ingest.now_ms * MS - 62 * S)
    ingest.kill()
    ingest.wait(100)
    assert told(ingest, EventKind.LATE) == [ended]


def test_a_spell_that_began_before_an_orderly_stop_ends_after_it(ingest: Ingest) -> None:
    late(ingest)
    late(ingest)
    ingest.writer.close()
    ingest.start()
    ingest.now_ms += 600_000
    ingest.tick()
    (ended,) = told(ingest, EventKind.LATE)
    assert (ended.count, span_s(ingest, ended)) == (2, (600, 600))


def test_readings_that_come_after_newer_ones_are_a_spell(ingest: Ingest) -> None:
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms}}}')
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms - 5}}}')
    (event,) = ingest.told()
    assert (event.kind, event.count, event.detail) == (
        EventKind.OUT_OF_ORDER,
        1,
        "1 reading came after newer ones.",
    )


def test_discarded_repetitions_are_a_spell_and_nothing_else_is(ingest: Ingest) -> None:
    ingest.send("1", packet_id=7)
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms}}}', "sensors/desk/u")
    ingest.wait(30)
    assert ingest.told() == []
    # One that the broker sends again, one that the device does.
    ingest.send("1", packet_id=7, dup=True)
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms - 30_000}}}', "sensors/desk/u")
    ingest.wait(12)
    (event,) = told(ingest, EventKind.DUPLICATES)
    assert (event.count, event.end_ns) == (2, None)
    assert ingest.account().duplicates == 2
    ingest.kill()
    ingest.wait(60)
    (event,) = told(ingest, EventKind.DUPLICATES)
    assert (event.count, event.end_ns is None) == (2, False)


def test_rejects_are_a_spell_that_says_the_most_frequent_reason_also_after_a_kill(ingest: Ingest) -> None:
    ingest.send("1")
    ingest.send("nonsense")
    ingest.send('{"value":1,"ts":1}')
    ingest.kill()
    ingest.send('{"value":1,"ts":1}')
    ingest.send("nonsense", "sensors/never-known/t")
    ingest.wait(61)
    (event,) = ingest.told()
    assert (event.kind, event.device, event.count) == (EventKind.REJECTED, "desk", 3)
    assert event.detail == "3 messages were rejected, most often as time_before_2000."
    assert event.end_ns is not None


def test_a_device_without_fault_has_no_spell(ingest: Ingest) -> None:
    for n in range(200):
        ingest.send(f'{{"value":{n},"ts":{ingest.now_ms},"seq":{n}}}', packet_id=n + 1)
        ingest.wait(1)
    assert ingest.events == []


def test_a_spell_that_no_book_knows_is_ended_at_the_next_start(ingest: Ingest) -> None:
    late(ingest)
    batch = ingest.pipeline.decode([])
    batch.events.append(Event("late/gone/1", EventKind.LATE, "gone", ingest.now_ms * MS - 9, None, 1))
    ingest.pipeline.commit(batch)
    ingest.kill()
    ingest.tick()
    assert {e.device: e.end_ns is None for e in ingest.told()} == {"gone": False, "desk": True}


def test_books_that_were_kept_before_there_were_spells_are_read(ingest: Ingest) -> None:
    late(ingest)
    books = ingest.pipeline.tracker.books
    version, now_ns, devices, *others = msgspec.msgpack.decode(books.snapshot())
    before = msgspec.msgpack.encode([version, now_ns, [device[:-1] for device in devices], *others])
    restored = Books()
    restored.restore(before)
    assert (restored.by_name["desk"].late, restored.by_name["desk"].spells) == (1, [])
    assert len(books.by_name["desk"].spells) == 1


def test_with_many_spells_each_is_told_of_less_often() -> None:
    spells, books = Spells(), {f"d{n}": list[Spell]() for n in range(2_000)}
    events = 0
    for second in range(100):
        for name, book in books.items():
            spells.note(name, book, EventKind.LATE, 1, second * S)
        events += len(spells.due(second * S))
    # Once at the begin, and after 20 ms each, 40 s in all.
    assert events == 2_000 * 3
    assert len(spells.due(200 * S)) == 2_000
    assert spells.due(300 * S) == []
    assert not any(books.values())


def test_reasons_are_bounded_and_the_count_is_exact() -> None:
    spells, book = Spells(), list[Spell]()
    for n in range(100):
        spells.note("d", book, EventKind.REJECTED, 1, 0, {f"reason_{n}": 1})
    assert (len(book[0].reasons), book[0].count) == (MAX_REASONS, 100)


def test_a_clock_that_was_set_back_ends_a_spell() -> None:
    spells, book = Spells(), list[Spell]()
    spells.note("d", book, EventKind.LATE, 1, 9_000 * S)
    assert [event.end_ns for event in spells.due(9_000 * S)] == [None]
    assert [event.end_ns for event in spells.due(10 * S)] == [9_000 * S]
    assert book == []


def ahead(ingest: Ingest, seconds: int = 86_400) -> None:
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms + seconds * 1_000}}}')


def test_a_device_whose_clock_is_so_far_ahead_that_it_is_rejected_has_a_wrong_clock_and_is_not_silent(
    ingest: Ingest,
) -> None:
    ingest.send('{"interval_s":10}', "sensors/desk/$meta")
    ingest.send("1")
    for _ in range(20):
        ingest.wait(10)
        ahead(ingest)
    (wrong,) = told(ingest, EventKind.CLOCK)
    assert span_s(ingest, wrong) == (190, None)
    assert wrong.detail == "Its clock is 86,400 s ahead: its readings are rejected."
    assert told(ingest, EventKind.SILENT) == []
    ingest.kill()
    ingest.wait(10)
    ahead(ingest)
    ingest.wait(10)
    ingest.send(f'{{"value":1,"ts":{ingest.now_ms}}}')
    (ended,) = told(ingest, EventKind.CLOCK)
    assert (ended.id, ended.end_ns) == (wrong.id, ingest.now_ms * MS)
    ingest.wait(29)
    assert told(ingest, EventKind.SILENT) == []


def test_a_device_that_stops_speaking_with_a_wrong_clock_is_silent_since_then(ingest: Ingest) -> None:
    ingest.send('{"interval_s":10}', "sensors/desk/$meta")
    ingest.send("1")
    ingest.wait(40)
    assert len(told(ingest, EventKind.SILENT)) == 1
    # It comes back, with a clock that was never set right: it does speak.
    ahead(ingest)
    spoke_ns = ingest.now_ms * MS
    assert told(ingest, EventKind.SILENT)[0].end_ns == spoke_ns
    ingest.wait(40)
    assert told(ingest, EventKind.SILENT)[1].start_ns == spoke_ns
    assert len(told(ingest, EventKind.CLOCK)) == 1


def test_one_reading_of_many_with_a_time_in_the_future_is_no_wrong_clock(ingest: Ingest) -> None:
    for _ in range(10):
        ingest.send(f'{{"value":1,"ts":{ingest.now_ms}}}')
        ingest.wait(1)
        ahead(ingest)
    assert {event.kind for event in ingest.told()} == {EventKind.REJECTED}


def test_a_clock_that_gets_worse_is_the_same_event(ingest: Ingest) -> None:
    ahead(ingest, 30)
    ingest.wait(10)
    ahead(ingest, 1_000)
    ahead(ingest, 1_010)
    (wrong,) = told(ingest, EventKind.CLOCK)
    assert wrong.detail == "Its clock is 1,000 s ahead: its readings are rejected."
