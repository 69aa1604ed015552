"""The journal gives back what was appended, in order, over restarts, rollbacks and turns of the ring."""

import itertools
import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorline.stores.journal import TABLES, Cursor, Entry, Journal, decode, encode
from sensorline.stores.journal.codec import Damaged
from sensorline.stores.journal.table import FREE_SEGMENTS_KEPT, SEGMENT_BYTES

_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    ids = draw(st.lists(st.integers(1, 2**23), max_size=20, unique=True))
    counts = [draw(st.integers(1, 6)) for _ in ids]
    n = sum(counts)
    receipts = draw(st.integers(0, 30))
    width = draw(st.sampled_from([32, 64]))
    return Entry(
        ids,
        counts,
        array("q", draw(st.lists(st.integers(0, 2**62), min_size=n, max_size=n))),
        array("d", draw(st.lists(_FINITE, min_size=n, max_size=n))),
        draw(st.lists(st.integers(1, 65_535), min_size=receipts, max_size=receipts)),
        draw(st.lists(st.integers(0, 2**width - 1), min_size=receipts, max_size=receipts)),
        draw(st.booleans()),
        draw(st.binary(max_size=300)),
    )


@given(entries())
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    found = decode(encode(entry))
    assert list(found.series_ids) == entry.series_ids
    assert list(found.counts) == entry.counts
    assert found.times_ns == entry.times_ns
    assert found.values.tobytes() == entry.values.tobytes()
    assert list(found.packet_ids) == entry.packet_ids
    assert list(found.digests) == entry.digests
    assert found.begins_session == entry.begins_session
    assert found.notes == entry.notes


@given(entries())
def test_notes_cost_their_own_bytes_and_an_entry_without_them_is_as_it_was(entry: Entry) -> None:
    notes, entry.notes = entry.notes, b""
    plain = encode(entry)
    assert not plain[1] & 8
    entry.notes = notes
    # What packs well may even make the rest smaller; zlib's own frame is a dozen bytes.
    assert len(encode(entry)) <= len(plain) + len(notes) + 12


@given(st.binary(max_size=200))
def test_bytes_that_are_no_entry_are_damaged_or_an_entry_and_nothing_else(body: bytes) -> None:
    with suppress(Damaged):
        decode(body)


def test_a_live_batch_takes_few_bytes_a_reading() -> None:
    """500 series, one reading each, with receipts of 64 and of 32 bits: see docs/performance.md for whole commits."""
    times = array("q", [1_790_000_000 * 10**9 + i * 37 % 1000 * 10**6 for i in range(500)])
    values = array("d", [20 + i * 7 % 100 / 10 for i in range(500)])
    for bits, limit in ((64, 12.5), (32, 8.5)):
        digests = [(i * 0x9E3779B97F4A7C15) % 2**bits for i in range(1, 501)]
        entry = Entry(range(1, 501), [1] * 500, times, values, range(1000, 1500), digests)
        assert len(encode(entry)) / 500 < limit


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute(TABLES)
    yield made
    made.close()


def body_of(number: int, size: int = 10_000) -> bytes:
    return number.to_bytes(8, "big") * (size // 8)


def append(db: sqlite3.Connection, journal: Journal, *sizes: int) -> None:
    for size in sizes:
        db.execute("BEGIN IMMEDIATE")
        assert journal.append(body_of(journal.newest + 1, size)) == journal.newest
        db.execute("COMMIT")


def numbers(cursor: Cursor) -> list[int]:
    found = list(cursor.read())
    assert all(body == body_of(number, len(body)) for number, body in found)
    return [number for number, _ in found]


def test_an_empty_journal_has_no_entries(db: sqlite3.Connection) -> None:
    assert Journal(db).newest == 0
    cursor = Cursor(db)
    assert numbers(cursor) == []
    append(db, Journal(db), 100)
    assert numbers(cursor) == [1]


def test_entries_of_any_size_come_back_in_order(db: sqlite3.Connection) -> None:
    append(db, Journal(db), 8, 0, 100_000, 200_000, 64, 1_000_000, 80)
    cursor = Cursor(db)
    assert numbers(cursor) == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(cursor) == []
    append(db, Journal(db), 16)
    assert numbers(cursor) == [8]
    assert cursor.missing == []
    assert numbers(Cursor(db, 5)) == [6, 7, 8]


def test_what_was_rolled_back_was_never_there(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    append(db, journal, 100, 100)
    for size in (50, SEGMENT_BYTES * 2):
        db.execute("BEGIN IMMEDIATE")
        journal.append(body_of(99, size))
        db.execute("ROLLBACK")
        journal.load()
        assert (journal.newest, numbers(Cursor(db))) == (2, [1, 2])
    append(db, journal, 100)
    assert numbers(Cursor(db)) == [1, 2, 3]


def test_a_trimmed_journal_does_not_grow(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    cursor = Cursor(db)
    seen = []
    for i in range(400):
        append(db, journal, 10_000)
        seen += numbers(cursor)
        journal.trim(i - 60)
        if i % 50 == 0:
            journal = Journal(db)
            journal.trim(i - 60)
    assert seen == list(range(1, 401))
    assert db.execute("SELECT count(*) FROM journal").fetchone()[0] <= 60 * 10_000 // SEGMENT_BYTES + 3
    assert numbers(Cursor(db, 340)) == list(range(341, 401))
    assert cursor.missing == []


def test_a_reader_that_was_away_goes_on_with_the_oldest_that_is_left(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    append(db, journal, *[10_000] * 5)
    cursor = Cursor(db)
    assert numbers(cursor) == [1, 2, 3, 4, 5]
    for _ in range(200):
        append(db, journal, 10_000)
        journal.trim(journal.newest - 10)
    found = numbers(cursor)
    assert found == list(range(found[0], 206))
    assert found[0] <= 195


def test_segments_that_are_too_many_go_back_and_numbers_go_on(db: sqlite3.Connection) -> None:
    journal = Journal(db)
    append(db, journal, *[100_000] * 40)
    assert journal.shrink() == 0
    journal.trim(40)
    assert journal.shrink() > 10
    assert journal.shrink() == 0
    assert db.execute("SELECT count(*) FROM journal").fetchone()[0] == FREE_SEGMENTS_KEPT + 1
    journal = Journal(db)
    assert journal.newest == 40
    append(db, journal, 100)
    assert numbers(Cursor(db, 40)) == [41]


def test_an_entry_with_a_wrong_checksum_is_left_out_and_named(db: sqlite3.Connection) -> None:
    append(db, Journal(db), 1_000, 1_000, 1_000)
    with db.blobopen("journal", "entries", 1) as blob:
        blob.seek(1_500)
        blob.write(b"?")
    cursor = Cursor(db)
    assert numbers(cursor) == [1, 3]
    assert cursor.missing == [(2, 2)]
    assert Journal(db).newest == 3


@pytest.mark.parametrize("at", [0, 1_020 + 3, 1_020 + 14, 2_040 + 19])
def test_what_is_behind_a_damaged_head_is_found_and_no_number_is_given_twice(
    db: sqlite3.Connection, at: int
) -> None:
    append(db, Journal(db), 1_000, 1_000, 1_000, 1_000)
    with db.blobopen("journal", "entries", 1) as blob:
        blob.seek(at)
        blob.write(b"?")
    cursor = Cursor(db, thorough=True)
    lost = at // 1_020 + 1
    assert numbers(cursor) == [number for number in (1, 2, 3, 4) if number != lost]
    assert cursor.missing == [(lost, lost)]
    journal = Journal(db)
    assert journal.newest == 4
    append(db, journal, 500)
    assert numbers(Cursor(db, thorough=True))[-2:] == [4, 5]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 50, 5_000, 60_000, 300_000]), st.sampled_from("caratts")), max_size=60
    )
)
def test_any_order_of_appends_rollbacks_trims_and_restarts_keeps_what_was_not_trimmed(
    steps: list[tuple[int, str]],
) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute(TABLES)
    journal, cursor, trimmed, newest = Journal(db), Cursor(db), 0, 0
    seen: list[int] = []
    for size, what in steps:
        db.execute("BEGIN IMMEDIATE")
        journal.append(body_of(newest + 1, size))
        if what == "r":
            db.execute("ROLLBACK")
            journal.load()
            journal.trim(trimmed)
            continue
        db.execute("COMMIT")
        newest += 1
        if what == "c":
            seen += numbers(cursor)
        elif what == "a":
            journal = Journal(db)
            journal.trim(trimmed)
        elif what == "t":
            trimmed = max(trimmed, newest - 5)
            journal.trim(trimmed)
        elif what == "s":
            journal.shrink()
        assert journal.newest == newest
    kept = numbers(Cursor(db, trimmed))
    assert kept == list(range(trimmed + 1, newest + 1))
    seen += numbers(cursor)
    assert all(b > a for a, b in itertools.pairwise(seen))
    assert seen[-5:] == kept[-5:]
    db.close()
