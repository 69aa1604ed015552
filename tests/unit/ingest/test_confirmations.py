"""What is confirmed on acks/<device> after a commit."""

from sensorline.reading import Batch, DeadLetter, Reading, Series
from sensorline_ingest.confirmations import durable_seqs


def reading(device: str, seq: int | None) -> Reading:
    return Reading(Series(device, "t"), 1, 1.0, seq)


def dead_letter(topic: str, payload: bytes) -> DeadLetter:
    return DeadLetter(topic, payload, "value_null", "", 1)


def test_neighbouring_seqs_become_one_range_whatever_their_order() -> None:
    batch = Batch.of(
        readings=[reading("desk", n) for n in (3, 1, 2, 7, 7)] + [reading("shed", 5), reading("shed", None)]
    )
    assert durable_seqs(batch) == {"desk": [(1, 3), (7, 7)], "shed": [(5, 5)]}


def test_a_rejected_reading_is_confirmed_too_because_sending_it_again_would_reject_it_again() -> None:
    batch = Batch.of(
        readings=[reading("a/b", 4)],
        dead_letters=[
            dead_letter("sensors/a/b/t", b'{"value":null,"seq":5}'),
            dead_letter("sensors/a/b/t", b'[{"value":1,"ts":5,"seq":6},{"value":null,"seq":8},"x"]'),
            dead_letter("sensors/a/b", b'{"mode":"x","seq":9}'),
            dead_letter("sensors/c", b'{"seq":1}'),
        ],
    )
    assert durable_seqs(batch) == {"a/b": [(4, 6), (8, 9)], "c": [(1, 1)]}


def test_a_dead_letter_without_a_readable_seq_confirms_nothing() -> None:
    payloads = [b"", b"\xff", b"[" * 100_000, b'{"seq":true}', b'{"seq":-1}', b'{"seq":"9"}', b'{"value":1}']
    batch = Batch.of(
        dead_letters=[dead_letter("sensors/desk/t", p) for p in payloads] + [dead_letter("x/y", b'{"seq":1}')]
    )
    assert durable_seqs(batch) == {}
