"""The pipeline: every message becomes readings or a dead letter, once, and none holds up another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorline.decoders import Decoded, Decoders, build_decoders
from sensorline.errors import StoreUnavailable
from sensorline.mqtt import RawMessage
from sensorline.reading import Batch
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

NOW_NS = 1_790_000_000_000_000_000
QOS_1, DUP, RETAIN = 0x02, 0x08, 0x01


def message(
    topic: str, payload: str | bytes, packet_id: int = 0, flags: int = 0, at_ms: int = 0
) -> RawMessage:
    raw = payload.encode() if isinstance(payload, str) else payload
    return topic.encode(), raw, packet_id, flags | (QOS_1 if packet_id else 0), NOW_NS + at_ms * 10**6


@pytest.fixture
def store(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "a.db")


@pytest.fixture
def writer(store: StoreSettings) -> Iterator[SqliteWriter]:
    made = SqliteWriter(store)
    yield made
    made.close()


def pipeline(
    writer: SqliteWriter, decoders: Decoders | None = None, max_series: int = 1_000, max_metrics: int = 100
) -> Pipeline:
    cardinality = Cardinality((), max_series, max_metrics)
    return Pipeline(decoders or build_decoders(), writer, cardinality, IngestMetrics())


def values(batch: Batch) -> list[tuple[str, float]]:
    return [(str(series), value) for series, _, value in batch.readings]


def reasons(batch: Batch) -> list[str]:
    return [d.reason for d in batch.dead_letters]


def counted(pipe: Pipeline, name: str) -> float:
    return pipe._metrics.registry.get_sample_value(f"sensorline_ingest_{name}") or 0.0


def test_bad_messages_become_dead_letters_beside_the_good_readings(writer: SqliteWriter) -> None:
    pipe = pipeline(writer)
    batch = pipe.decode(
        [
            message("sensors/a/t", "1", 1),
            message("sensors/a/t", "hello", 2),
            message("sensors//t", "1", 3),
            message("sensors/a/t", b"\xff", 4),
            message("sensors/a", '{"t":2,"b+d":1}', 5, at_ms=1),
            message("sensors/a/t", "[" * 100_000, 6),
            message("sensors/a/t", "3", 7, at_ms=2),
        ]
    )
    assert values(batch) == [("a:t", 1.0), ("a:t", 2.0), ("a:t", 3.0)]
    assert reasons(batch) == [
        "value_not_a_number",
        "topic_level_empty",
        "payload_not_utf8",
        "name_wildcard",
        "payload_too_deep",
    ]
    assert batch.packet_ids == [1, 2, 3, 4, 5, 6, 7]
    pipe.commit(batch)
    assert (pipe.totals.stored, pipe.totals.rejected) == (3, 5)
    assert counted(pipe, "readings_stored_total") == 3
    registry = pipe._metrics.registry
    assert (
        registry.get_sample_value("sensorline_ingest_messages_rejected_total", {"reason": "name_wildcard"})
        == 1
    )


def test_a_dead_letter_keeps_the_message_as_it_came(writer: SqliteWriter) -> None:
    batch = pipeline(writer).decode([(b"sensors/\xff/t", b"\x00\xff", 0, 0, NOW_NS)])
    (letter,) = batch.dead_letters
    assert (letter.topic, letter.payload, letter.received_ns) == ("sensors/\\xff/t", b"\x00\xff", NOW_NS)
    assert letter.reason == "topic_not_utf8"
    assert letter.detail


def test_an_array_in_part_bad_is_one_dead_letter_that_says_how_many(writer: SqliteWriter) -> None:
    payload = '[{"value":1},{"value":"x"},7,{"value":2,"ts":1789999999}]'
    batch = pipeline(writer).decode([message("sensors/a/t", payload)])
    assert [value for _, value in values(batch)] == [1.0, 2.0]
    assert reasons(batch) == ["value_not_a_number"]
    assert batch.dead_letters[0].detail.endswith("(and 1 more)")


def test_a_mistake_in_a_decoder_costs_one_message_and_no_other(writer: SqliteWriter) -> None:
    class Broken:
        name = "broken"
        filters = ("sensors/broken/#",)

        def decode(self, topic: bytes, payload: bytes, retained: bool, received_ns: int) -> Decoded:
            raise ZeroDivisionError("a mistake of ours")

    decoders = Decoders([Broken(), *build_decoders()._decoders])
    batch = pipeline(writer, decoders).decode(
        [message("sensors/a/t", "1"), message("sensors/broken/t", "2"), message("sensors/a/u", "3")]
    )
    assert values(batch) == [("a:t", 1.0), ("a:u", 3.0)]
    assert reasons(batch) == ["decoder_error"]
    assert "ZeroDivisionError: a mistake of ours" in batch.dead_letters[0].detail


def test_a_message_that_the_broker_sends_again_is_left_out(writer: SqliteWriter) -> None:
    pipe = pipeline(writer)
    first = message("sensors/a/t", "21.5", 7)
    pipe.commit(pipe.decode([first]))
    # Without a time of its own it would be a second reading: only its receipt tells.
    again = message("sensors/a/t", "21.5", 7, DUP, at_ms=5_000)
    batch = pipe.decode([again])
    assert batch == Batch()
    assert counted(pipe, "messages_repeated_total") == 1


def test_receipts_are_known_after_a_restart(writer: SqliteWriter, store: StoreSettings) -> None:
    pipe = pipeline(writer)
    pipe.commit(pipe.decode([message("sensors/a/t", "21.5", 7), message("sensors/a/t", "x", 8)]))
    writer.close()
    reopened = SqliteWriter(store)
    pipe = pipeline(reopened)
    assert (pipe.totals.stored, pipe.totals.rejected) == (1, 1)
    again = [message("sensors/a/t", "21.5", 7, DUP, at_ms=60_000), message("sensors/a/t", "x", 8, DUP)]
    assert pipe.decode(again) == Batch()
    reopened.close()


@pytest.mark.parametrize(
    "other",
    [
        message("sensors/a/t", "21.5", 7, at_ms=1),
        message("sensors/a/t", "21.6", 7, DUP, at_ms=1),
        message("sensors/a/u", "21.5", 7, DUP, at_ms=1),
        message("sensors/a/t", "21.5", 8, DUP, at_ms=1),
    ],
    ids=["not sent again", "another payload", "another topic", "another identifier"],
)
def test_a_message_that_only_resembles_another_is_stored(writer: SqliteWriter, other: RawMessage) -> None:
    pipe = pipeline(writer)
    pipe.commit(pipe.decode([message("sensors/a/t", "21.5", 7)]))
    batch = pipe.decode([other])
    assert len(batch.readings) == 1
    pipe.commit(batch)
    assert pipe.totals.stored == 2


def test_a_message_without_a_receipt_is_stored_again_only_if_it_has_a_time_of_its_own(
    writer: SqliteWriter,
) -> None:
    pipe = pipeline(writer)
    for _ in range(2):
        pipe.commit(pipe.decode([message("sensors/a/t", '{"value":1,"ts":1789999999}')]))
    assert (pipe.totals.stored, pipe.totals.repeated) == (1, 1)


def test_an_emptied_retained_message_is_nothing_at_all(writer: SqliteWriter) -> None:
    batch = pipeline(writer).decode(
        [message("sensors/a/t", b"", 0, RETAIN), message("sensors/a/$meta", b"", 5, RETAIN)]
    )
    assert (len(batch.readings), batch.dead_letters, batch.facts) == (0, [], [])


def test_retained_state_is_counted_and_not_stored(writer: SqliteWriter) -> None:
    pipe = pipeline(writer)
    batch = pipe.decode([message("sensors/a/t", "21.5", 0, RETAIN)])
    assert len(batch.readings) == 0
    assert counted(pipe, "readings_state_total") == 1


def test_ignored_members_are_counted(writer: SqliteWriter) -> None:
    pipe = pipeline(writer)
    batch = pipe.decode([message("sensors/a", '{"t":1,"fw":"v1","x":null}')])
    assert (len(batch.readings), batch.dead_letters) == (1, [])
    assert counted(pipe, "members_ignored_total") == 2


def test_a_device_that_invents_names_is_bounded(writer: SqliteWriter) -> None:
    pipe = pipeline(writer, max_metrics=10)
    members = ",".join(f'"m{i}":1' for i in range(10_000))
    batch = pipe.decode(
        [
            message("sensors/mad", f"{{{members}}}"),
            message("sensors/good/t", "1"),
            message("sensors/mad/m3", "2"),
        ]
    )
    assert len(batch.readings) == 12
    assert reasons(batch) == ["too_many_metrics"]
    assert "INGEST_MAX_METRICS_PER_DEVICE" in batch.dead_letters[0].detail


def test_series_are_bounded_in_all_and_known_ones_go_on(writer: SqliteWriter) -> None:
    pipe = pipeline(writer, max_series=3)
    batch = pipe.decode(
        [message(f"sensors/d{i}/t", "1") for i in range(5)] + [message("sensors/d0/t", "2", at_ms=1)]
    )
    assert values(batch) == [("d0:t", 1.0), ("d1:t", 1.0), ("d2:t", 1.0), ("d0:t", 2.0)]
    assert reasons(batch) == ["too_many_series"] * 2


def test_what_ingest_itself_publishes_is_left_alone(writer: SqliteWriter) -> None:
    own = ("acks/a", "sensorline/ingest/$status", "sensorline/rejected/sensors/a/t")
    batch = pipeline(writer).decode([message(topic, "{}", i) for i, topic in enumerate(own, 1)])
    assert (len(batch.readings), batch.dead_letters) == (0, [])


def test_a_long_explanation_is_cut(writer: SqliteWriter) -> None:
    batch = pipeline(writer).decode([message("sensors/a/t", f'{{"value":1,"ts":-{"9" * 3000}}}')])
    assert len(batch.dead_letters[0].detail) <= 500


def test_a_batch_that_could_not_be_stored_can_be_given_again(
    writer: SqliteWriter, store: StoreSettings
) -> None:
    pipe = pipeline(writer)
    batch = pipe.decode(
        [message(f"sensors/d/m{i}", "1", i) for i in range(1, 90)] + [message("sensors/x", "5" * 9_000, 90)]
    )
    pages = writer._db.execute("PRAGMA page_count").fetchone()[0]
    writer._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable):
        pipe.commit(batch)
    assert (pipe.totals.stored, pipe.totals.rejected) == (0, 0)
    writer._db.execute(f"PRAGMA max_page_count = {2**31}")
    pipe.commit(batch)
    assert (pipe.totals.stored, pipe.totals.rejected) == (89, 1)
    reader = SqliteReader(store.path)
    assert len(reader.latest()) == 89
    reader.close()


def test_a_bad_retained_message_is_one_dead_letter_however_often_the_broker_sends_it(tmp_path: Path) -> None:
    writer = SqliteWriter(StoreSettings(path=tmp_path / "s.db"))
    pipeline = Pipeline(build_decoders(), writer, Cardinality([], 10, 10), IngestMetrics())
    retained = (b"sensors/desk/t", b"nonsense", 0, RETAIN, 1_760_000_000 * 10**9)
    counts = [len(pipeline.decode([retained]).dead_letters) for _ in range(3)]
    writer.close()
    assert counts == [1, 0, 0]


def test_clearing_a_retained_status_says_nothing(tmp_path: Path) -> None:
    writer = SqliteWriter(StoreSettings(path=tmp_path / "s.db"))
    pipeline = Pipeline(build_decoders(), writer, Cardinality([], 10, 10), IngestMetrics())
    batch = pipeline.decode([(b"sensors/desk/$status", b"", 0, 0, 1), (b"sensors/desk/$meta", b"", 0, 0, 1)])
    writer.close()
    assert (batch.dead_letters, batch.facts) == ([], [])


def test_a_new_session_of_the_broker_makes_receipts_void_also_the_stored_ones(tmp_path: Path) -> None:
    """Packet identifiers begin anew with a session: the same one with the same payload is another message."""
    writer = SqliteWriter(StoreSettings(path=tmp_path / "s.db"))
    pipeline = Pipeline(build_decoders(), writer, Cardinality([], 10, 10), IngestMetrics())
    pipeline.commit(pipeline.decode([message("sensors/door/contact", "1", 5)]))
    again = Pipeline(build_decoders(), writer, Cardinality([], 10, 10), IngestMetrics())
    assert again.decode([message("sensors/door/contact", "1", 5, DUP, at_ms=1)]).packet_ids == []
    again.begin_session()
    batch = again.decode([message("sensors/door/contact", "1", 5, DUP, at_ms=86_400_000)])
    assert len(batch.readings) == 1
    again.commit(batch)
    assert [r.packet_id for r in writer.receipts()] == [5]
    writer.close()


def test_devices_that_only_announce_themselves_are_bounded_too(tmp_path: Path) -> None:
    writer = SqliteWriter(StoreSettings(path=tmp_path / "s.db"))
    pipeline = Pipeline(build_decoders(), writer, Cardinality([], 3, 10), IngestMetrics())
    batch = pipeline.decode([message(f"sensors/d{i}/$status", "online") for i in range(5)])
    writer.close()
    assert [f.device for f in batch.facts] == ["d0", "d1", "d2"]
    assert [d.reason for d in batch.dead_letters] == ["too_many_series"] * 2
