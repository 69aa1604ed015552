"""Rejected messages are kept whole, listed newest first, and dropped when asked."""

from typing import Any

from sensorline.reading import Batch, DeadLetter


def test_an_empty_store_has_none(store: Any) -> None:
    assert store.dead_letters.list(10) == []
    assert store.dead_letters.get(1) is None
    assert store.dead_letters.drop(None) == 0


def test_a_dead_letter_comes_back_as_it_came(store: Any, batch: Any) -> None:
    payload = bytes(range(256)) * 4_000
    given = DeadLetter("sensors/\\xff/'\"/°", payload, "payload_not_utf8", "déjà vu", batch.t0_ns)
    store.writer.commit(batch.dead_letters(b"other"))
    store.writer.commit(Batch.of(dead_letters=[given]))
    store.reopen()
    (newest, _) = store.dead_letters.list(10)
    assert newest.id > 0
    assert store.dead_letters.get(newest.id) == newest
    assert DeadLetter(newest.topic, newest.payload, newest.reason, newest.detail, newest.received_ns) == given


def test_the_same_message_rejected_twice_is_two_dead_letters(store: Any, batch: Any) -> None:
    for _ in range(2):
        store.writer.commit(batch.dead_letters(b"x"))
    assert len(store.dead_letters.list(10)) == 2
    assert store.writer.state().dead_letters == 2


def test_a_list_goes_from_new_to_old_in_pages(store: Any, batch: Any) -> None:
    store.writer.commit(batch.dead_letters(*(b"%d" % i for i in range(10))))
    page = store.dead_letters.list(4)
    assert [d.payload for d in page] == [b"9", b"8", b"7", b"6"]
    page = store.dead_letters.list(4, before_id=page[-1].id)
    assert [d.payload for d in page] == [b"5", b"4", b"3", b"2"]
    page = store.dead_letters.list(4, before_id=page[-1].id)
    assert [d.payload for d in page] == [b"1", b"0"]
    assert store.dead_letters.list(4, before_id=page[-1].id) == []


def test_dropping_some_leaves_the_others(store: Any, batch: Any) -> None:
    store.writer.commit(batch.dead_letters(b"a", b"b", b"c"))
    c, b, a = store.dead_letters.list(10)
    assert store.dead_letters.drop([a.id, c.id, c.id, 999_999]) == 2
    assert store.dead_letters.list(10) == [b]
    assert store.dead_letters.get(a.id) is None
    assert store.dead_letters.drop([]) == 0
    assert store.dead_letters.drop(None) == 1
    assert store.dead_letters.list(10) == []


def test_a_number_is_not_given_again_after_a_drop(store: Any, batch: Any) -> None:
    store.writer.commit(batch.dead_letters(b"a"))
    (a,) = store.dead_letters.list(1)
    store.dead_letters.drop(None)
    store.writer.commit(batch.dead_letters(b"b"))
    (b,) = store.dead_letters.list(1)
    assert b.id > a.id
