"""Receipts: which messages the broker may send again, in bounded memory."""

from sensorline.reading import Receipt
from sensorline.stores.base import RECEIPTS_KEPT
from sensorline_ingest.receipts import Receipts, digest, former_digest

TOPIC = b"sensors/desk/temperature"


def receipt(packet_id: int, payload: bytes) -> Receipt:
    return Receipt(packet_id, digest(TOPIC, payload))


def add(receipts: Receipts, *added: Receipt) -> None:
    """Add as the pipeline does: to the columns of a batch that has begun."""
    ids: list[int] = []
    digests: list[int] = []
    receipts.begin_batch(ids, digests)
    for one in added:
        ids.append(one.packet_id)
        digests.append(one.digest)


def test_a_digest_tells_messages_apart_and_fits_32_bits() -> None:
    pairs = [
        (b"a/b", b"1"),
        (b"a/b", b"2"),
        (b"a/b", b"121"),
        (b"a/b", b"202"),
        (b"a/c", b"1"),
        (b"a/b1", b""),
        (b"a/", b"b1"),
        (b"", b"a/b1"),
        (b"", b""),
    ]
    digests = {digest(*pair) for pair in pairs}
    assert len(digests) == len(pairs)
    assert all(0 <= d < 2**32 for d in digests)


def test_digests_stay_the_same_over_restarts() -> None:
    assert digest(TOPIC, b"21.5") == 0xC10AE24D
    assert former_digest(TOPIC, b"21.5") == 0xD7FADB75_024C00DE


def test_only_the_newest_receipt_of_an_identifier_counts() -> None:
    receipts = Receipts([receipt(1, b"10"), receipt(2, b"20")])
    assert receipts.has(1, TOPIC, b"10")
    add(receipts, receipt(1, b"11"))
    assert receipts.has(1, TOPIC, b"11")
    assert receipts.has(2, TOPIC, b"20")
    assert not receipts.has(1, TOPIC, b"10")
    assert not receipts.has(1, b"sensors/desk/other", b"11")
    assert not receipts.has(3, TOPIC, b"10")


def test_a_receipt_counts_as_soon_as_it_is_in_the_batch_also_between_questions() -> None:
    receipts = Receipts()
    ids: list[int] = []
    digests: list[int] = []
    receipts.begin_batch(ids, digests)
    for n in range(1, 50):
        assert not receipts.has(n, TOPIC, b"x")
        ids.append(n)
        digests.append(digest(TOPIC, b"x"))
        assert receipts.has(n, TOPIC, b"x")
    add(receipts)
    assert receipts.has(49, TOPIC, b"x")


def test_a_receipt_of_a_database_from_before_the_update_counts() -> None:
    receipts = Receipts([Receipt(7, former_digest(TOPIC, b"21.5"))])
    assert receipts.has(7, TOPIC, b"21.5")
    assert not receipts.has(7, TOPIC, b"21.6")


def test_the_oldest_receipts_are_forgotten() -> None:
    receipts = Receipts(receipt(i, b"%d" % i) for i in range(1, RECEIPTS_KEPT + 2))
    assert not receipts.has(1, TOPIC, b"1")
    assert receipts.has(2, TOPIC, b"2")


def test_memory_is_bounded_whatever_the_size_of_batches() -> None:
    receipts = Receipts()
    for i in range(3 * RECEIPTS_KEPT):
        add(receipts, Receipt(i % 65_535 + 1, i))
        assert len(receipts._ids) <= 2 * RECEIPTS_KEPT
    add(receipts, *(Receipt(i + 1, i) for i in range(5_000)))
    assert receipts._by_id is None


def test_a_new_session_of_the_broker_begins_without_receipts() -> None:
    receipts = Receipts([receipt(1, b"1")])
    add(receipts, receipt(2, b"2"))
    assert receipts.has(2, TOPIC, b"2")
    receipts.clear()
    assert not receipts.has(1, TOPIC, b"1")
    assert not receipts.has(2, TOPIC, b"2")
