"""Receipts: which messages the broker may send again, in bounded memory."""

from sensorline.reading import Receipt
from sensorline.stores.base import RECEIPTS_KEPT
from sensorline_ingest.receipts import Receipts, digest


def test_a_digest_tells_messages_apart_and_fits_64_bits() -> None:
    pairs = [
        (b"a/b", b"1"),
        (b"a/b", b"2"),
        (b"a/c", b"1"),
        (b"a/b1", b""),
        (b"a/", b"b1"),
        (b"", b"a/b1"),
        (b"", b""),
    ]
    digests = {digest(*pair) for pair in pairs}
    assert len(digests) == len(pairs)
    assert all(0 <= d < 2**64 for d in digests)


def test_a_digest_stays_the_same_over_restarts() -> None:
    assert digest(b"sensors/desk/temperature", b"21.5") == 0xD7FADB75_024C00DE


def test_only_the_newest_receipt_of_an_identifier_counts() -> None:
    receipts = Receipts([Receipt(1, 10), Receipt(2, 20)])
    receipts.add(Receipt(1, 11))
    assert receipts.has(Receipt(1, 11))
    assert receipts.has(Receipt(2, 20))
    assert not receipts.has(Receipt(1, 10))
    assert not receipts.has(Receipt(3, 10))


def test_the_oldest_receipts_are_forgotten() -> None:
    receipts = Receipts()
    for i in range(1, RECEIPTS_KEPT + 2):
        receipts.add(Receipt(i, i))
    assert not receipts.has(Receipt(1, 1))
    assert receipts.has(Receipt(2, 2))
    # One that is renewed is young again.
    receipts.add(Receipt(2, 22))
    receipts.add(Receipt(65_000, 1))
    assert receipts.has(Receipt(2, 22))
    assert not receipts.has(Receipt(3, 3))
