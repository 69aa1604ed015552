"""Which numbers never came: exactly the set difference, whatever the order, repetitions and restarts."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorline.events import Event
from sensorline_ingest.tracking.books import Books, Word
from sensorline_ingest.tracking.incidents import GRACE_NS, UPDATE_NS
from sensorline_ingest.tracking.notes import Notes, decode, encode, say
from sensorline_ingest.tracking.numbers import INCIDENTS_A_BATCH, MAX_HOLES, MAX_MISSING, MAX_RUNS, Numbers
from sensorline_ingest.tracking.observing import Observed, as_ranges

NOW_NS = 1_790_000_000_000_000_000
S = 10**9


def time_of(number: int) -> int:
    """A device that measures once a second."""
    return NOW_NS + number * S


def take(numbers: Numbers, seqs: Iterable[int], now_ns: int = NOW_NS, shift_ns: int = 0) -> None:
    column = list(seqs)
    for part in as_ranges(column, [time_of(n) + shift_ns for n in column]):
        numbers.take(part, now_ns, set())


def due(numbers: Numbers, now_ns: int) -> list[Event]:
    return numbers.due("desk", set(numbers.incidents), now_ns)


def missing(numbers: Numbers) -> set[int]:
    return {n for first, last in numbers.ranges() for n in range(first, last + 1)}


def test_thirty_seven_of_ten_thousand() -> None:
    lost = {*range(100, 120), 5_000, *range(9_000, 9_016)}
    numbers = Numbers()
    take(numbers, (n for n in range(10_000) if n not in lost))
    assert numbers.missing == len(lost) == 37
    assert numbers.ranges() == [(100, 119), (5_000, 5_000), (9_000, 9_015)]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_order_and_repetition_over_restarts_is_the_set_difference(data: st.DataObject) -> None:
    first = data.draw(st.sampled_from((0, 1, 17, 1_790_000_000_000)))
    sent = list(range(first, first + data.draw(st.integers(2, 120))))
    kept = data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=250))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=20))
    books, journal = Books(), _Journal()
    at = turn = 0
    while at < len(kept):
        size = sizes[turn % len(sizes)]
        column, at, turn = kept[at : at + size], at + size, turn + 1
        ranges = as_ranges(column, [time_of(n - first) for n in column])
        journal.commit(books, Notes(NOW_NS + turn * S, [Observed("desk", len(column), ranges=ranges)]))
        action = data.draw(st.sampled_from(("go on", "kill", "snapshot")))
        if action == "kill":
            books = journal.restart(books)
        elif action == "snapshot":
            journal.keep(books)
    came = set(kept)
    expected = set(range(min(came), max(came) + 1)) - came
    numbers = books.by_name["desk"].numbers
    assert missing(numbers) == expected
    assert numbers.missing == books.totals.missing == len(expected)


class _Journal:
    """What a store keeps for tracking: the last snapshot, and the notes since."""

    def __init__(self) -> None:
        self.snapshot = b""
        self.notes: list[bytes] = []
        self.events: list[Event] = []

    def commit(self, books: Books, notes: Notes) -> None:
        self.notes.append(encode(books, notes))
        say(books, notes)
        self.events += books.due(notes.now_ns)

    def keep(self, books: Books) -> None:
        self.snapshot, self.notes = books.snapshot(), []

    def restart(self, before: Books) -> Books:
        after = Books()
        if self.snapshot:
            after.restore(self.snapshot)
        for data in self.notes:
            said = decode(after, data)
            say(after, said)
            after.due(said.now_ns)
        assert after.snapshot() == before.snapshot()
        return after


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(("a", "b", "zigbee/é")),
                st.lists(st.tuples(st.integers(0, 2**53), st.integers(0, 2**62)), max_size=6),
                st.integers(0, 300),
                st.booleans(),
            ),
            max_size=3,
            unique_by=lambda t: t[0],
        ),
        max_size=12,
    )
)
def test_notes_lead_to_the_same_books_whatever_they_say(
    batches: list[list[tuple[str, list[tuple[int, int]], int, bool]]],
) -> None:
    books, journal = Books(), _Journal()
    for i, batch in enumerate(batches):
        observed = [
            Observed(
                device,
                count,
                rejected=count % 3,
                late=count % 2,
                repeated=count % 5,
                is_live=live,
                ranges=as_ranges([n for n, _ in pairs], [t for _, t in pairs]) if pairs else [],
            )
            for device, pairs, count, live in batch
        ]
        journal.commit(books, Notes(NOW_NS + i * 7 * S, observed, resumes=i % 4 == 3))
        books = journal.restart(books)
        if i % 3 == 2:
            journal.keep(books)


def test_notes_of_numbers_as_expected_are_some_bytes() -> None:
    books, journal = Books(), _Journal()
    for i in range(3):
        ranges = [(i * 10, i * 10 + 9, time_of(i * 10), time_of(i * 10 + 9))]
        plain = Observed("plain", 10, is_live=True)
        journal.commit(
            books, Notes(NOW_NS + i * S, [Observed("desk", 10, is_live=True, ranges=ranges), plain])
        )
    assert len(journal.notes[-1]) <= 5 + 8 + 3


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02\x00", b"\x01\x00\x00\x05", b"\x01\x00\x00\x01\x00\x09"]
)
def test_notes_that_are_none_say_so(data: bytes) -> None:
    with pytest.raises(ValueError, match="notes"):
        decode(Books(), data)


def test_a_hole_waits_for_late_ones_before_it_is_told_of() -> None:
    numbers = Numbers()
    take(numbers, [0, 1, 5])
    assert due(numbers, NOW_NS + GRACE_NS - 1) == []
    take(numbers, [2, 3, 4])
    assert due(numbers, NOW_NS + 2 * GRACE_NS) == []
    assert (numbers.missing, numbers.incidents) == (0, {})


def test_an_event_shrinks_as_late_ones_come_and_is_withdrawn() -> None:
    numbers = Numbers()
    take(numbers, [0, 1, 2, 100, 101])
    (told,) = due(numbers, NOW_NS + GRACE_NS)
    assert (told.count, told.ranges) == (97, [(3, 99)])
    assert (told.start_ns, told.end_ns) == (time_of(2), time_of(100))
    now_ns = NOW_NS + GRACE_NS
    # A node's backlog comes behind the newest readings, in order.
    take(numbers, range(3, 60), now_ns)
    assert due(numbers, now_ns + UPDATE_NS - 1) == []
    (smaller,) = due(numbers, now_ns + UPDATE_NS)
    assert (smaller.id, smaller.count, smaller.ranges) == (told.id, 40, [(60, 99)])
    assert (smaller.start_ns, smaller.end_ns) == (time_of(59), time_of(100))
    take(numbers, range(60, 100), now_ns)
    (gone,) = due(numbers, now_ns + UPDATE_NS)
    assert gone.id == told.id
    assert gone.is_withdrawn
    assert due(numbers, now_ns + 100 * S) == []


def test_numbers_in_the_middle_split_a_hole_at_their_own_times() -> None:
    numbers = Numbers()
    take(numbers, [0, 10])
    take(numbers, [4, 5])
    (told,) = due(numbers, NOW_NS + GRACE_NS)
    assert told.ranges == [(1, 3), (6, 9)]
    assert [(h.before_ns, h.after_ns) for h in numbers.runs[0].holes] == [
        (time_of(0), time_of(4)),
        (time_of(5), time_of(10)),
    ]


def test_holes_that_lie_close_together_are_one_event_and_others_are_not() -> None:
    numbers = Numbers()
    take(numbers, [0, 2, 4, *range(5, 1_001), 1_002])
    events = due(numbers, NOW_NS + GRACE_NS)
    assert [event.ranges for event in events] == [[(1, 1), (3, 3)], [(1_001, 1_001)]]
    assert len({event.id for event in events}) == 2


def test_holes_of_one_batch_are_few_events_however_far_apart_they_lie() -> None:
    hour = 3_600 * S
    numbers, touched = Numbers(), set[int]()
    for n in range(0, 4_000, 2):
        numbers.take((n, n, n * hour, n * hour), 10_000 * hour, touched)
    events = numbers.due("desk", touched, 10_000 * hour + GRACE_NS)
    assert len(events) == INCIDENTS_A_BATCH
    assert sum(event.count for event in events) == numbers.missing == 1_999
    assert (events[0].start_ns, events[-1].end_ns) == (0, 3_998 * hour)
    # Another batch has its own.
    numbers.take((5_000, 5_000, 5_000 * hour, 5_000 * hour), 10_001 * hour, touched)
    (event,) = numbers.due("desk", touched, 10_001 * hour + GRACE_NS)
    assert (event.count, event.start_ns) == (1_001, 3_998 * hour)


@pytest.mark.parametrize("begin", [0, 1])
def test_a_device_that_begins_again_with_small_numbers_is_a_new_run(begin: int) -> None:
    numbers = Numbers()
    take(numbers, range(begin, 5_000))
    later_ns = 6_000 * S
    take(numbers, [begin], shift_ns=later_ns)
    take(numbers, [begin + 1, begin + 2], shift_ns=later_ns)
    take(numbers, [begin + 4], shift_ns=later_ns)
    assert numbers.missing == 1
    assert numbers.ranges() == [(begin + 3, begin + 3)]


def test_a_new_outbox_is_a_new_run_and_no_hole_of_millions() -> None:
    numbers = Numbers()
    begun_ms = NOW_NS // 10**6
    take_at(numbers, [(begun_ms + i, NOW_NS + i * S) for i in range(600)])
    # Ten minutes later the file was lost: the next one begins with the time in ms.
    renewed_ms = begun_ms + 600_000
    take_at(numbers, [(renewed_ms + i, NOW_NS + (600 + i) * S) for i in range(10) if i != 7])
    assert numbers.ranges() == [(renewed_ms + 7, renewed_ms + 7)]


def take_at(numbers: Numbers, pairs: Iterable[tuple[int, int]]) -> None:
    for number, time_ns in pairs:
        numbers.take((number, number, time_ns, time_ns), time_ns, set())


def test_a_day_that_a_known_device_was_away_is_missing_and_not_a_new_run() -> None:
    numbers = Numbers()
    take(numbers, range(600))
    take(numbers, [87_000, 87_001])
    assert numbers.ranges() == [(600, 86_999)]
    take(numbers, range(600, 87_000))
    assert numbers.missing == 0


def test_a_backlog_from_before_the_first_reading_that_we_saw() -> None:
    numbers = Numbers()
    take(numbers, [5_000, 5_001])
    take(numbers, range(10, 4_990))
    assert numbers.ranges() == [(4_990, 4_999)]
    take(numbers, range(4_990, 5_003))
    assert numbers.missing == 0


def test_repeated_numbers_are_not_new() -> None:
    numbers = Numbers()
    take(numbers, range(50))
    # A device without a time of its own sends its last ones again after a reconnect: they have a newer time.
    take(numbers, range(30, 50), shift_ns=100 * S)
    take(numbers, [50, 51], shift_ns=100 * S)
    take(numbers, [0, 1, 2])
    assert (numbers.missing, len(numbers.runs)) == (0, 1)


def test_one_corrupt_number_makes_no_noise() -> None:
    numbers = Numbers()
    take_at(numbers, [(n, time_of(n)) for n in range(100)])
    take_at(numbers, [(2**53, time_of(100))])
    take_at(numbers, [(n, time_of(n)) for n in range(101, 200)])
    assert numbers.missing <= 1


def test_memory_is_bounded_and_the_count_is_exact_all_the_same() -> None:
    numbers = Numbers()
    take(numbers, range(0, 6_000, 2))
    assert numbers.missing == 2_999
    assert len(numbers.ranges()) == MAX_HOLES
    events = due(numbers, NOW_NS + GRACE_NS)
    assert sum(event.count for event in events) == 2_999
    assert all(len(event.ranges) <= 100 for event in events)
    assert len(msgspec.msgpack.encode(numbers)) < 40_000
    for run in range(50):
        take(numbers, [0, 1, 3], shift_ns=(run + 1) * 100_000 * S)
    assert len(numbers.runs) <= MAX_RUNS
    assert numbers.missing == 2_999 + 50


def test_a_device_that_invents_numbers_cannot_make_counts_that_have_no_room() -> None:
    # Each jump makes the device ten times as fast, so in some milliseconds it can be anywhere; then it begins again.
    books = Books()
    for turn in range(2_100):
        time_ns = NOW_NS + turn * S
        ranges = [(0, 299, time_ns, time_ns)]
        number, jump = 300, 2_500
        while number < 2**53:
            time_ns += S // 1_000
            number, jump = min(number + jump, 2**53), jump * 8
            ranges.append((number, number, time_ns, time_ns))
        books.take([Observed("desk", len(ranges), ranges=ranges)], time_ns)
        books.due(time_ns + GRACE_NS)
    assert MAX_MISSING / 2 < books.by_name["desk"].numbers.missing <= MAX_MISSING
    assert books.snapshot()


def test_a_node_that_invents_how_much_it_refused_cannot_make_a_count_that_has_no_room() -> None:
    books = Books()
    for _ in range(2_100):
        books.listen([Word("desk", refused=2**53), Word("desk", refused=0)])
    assert books.by_name["desk"].refused == 2**53
    assert books.snapshot()
