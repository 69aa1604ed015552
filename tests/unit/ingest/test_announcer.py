"""What ingest tells the world: confirmations, rejects, its status, its will."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from sensorline.reading import Batch, DeadLetter, Reading, Series
from sensorline_ingest.announcer import STATUS_INTERVAL_S, Announcer, Instance, offline_will

NOW_NS = 1_790_000_000_123_000_000
HERE = Instance("host", 42, "/var/a.db", "sensorline-ingest", "2026-01-31T12:00:00+00:00")


class Outbox:
    """A link that remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any, bool]] = []

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        self.sent.append((topic, msgspec.json.decode(payload), retain))
        return False

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            self.publish(topic, payload)


def reading(device: str, seq: int | None) -> Reading:
    return Reading(Series(device, "t"), NOW_NS, 1.0, seq)


def test_sequence_numbers_are_confirmed_once_for_each_device() -> None:
    out = Outbox()
    readings = [reading("a", 2), reading("b/c", 9), reading("a", 1), reading("a", 5), reading("d", None)]
    Announcer(out, HERE).committed(Batch.of(readings))
    assert out.sent == [
        ("acks/a", {"stored": [[1, 2], [5, 5]]}, False),
        ("acks/b/c", {"stored": [[9, 9]]}, False),
    ]


@pytest.mark.parametrize("seq", ["[1]", "{}", '"x"', "1.5", "true", "-1", "null", "9" * 400])
def test_a_rejected_message_with_an_odd_seq_harms_nobody(seq: str) -> None:
    out = Outbox()
    letter = DeadLetter("sensors/a/t", f'{{"value":"x","seq":{seq}}}'.encode(), "seq_invalid", "why", NOW_NS)
    Announcer(out, HERE).committed(Batch.of([reading("a", 7)], [letter]))
    assert [topic for topic, *_ in out.sent] == ["acks/a", "sensorline/rejected/sensors/a/t"]
    assert out.sent[0][1] == {"stored": [[7, 7]]}


def test_a_rejected_message_is_announced_on_its_topic_with_a_preview() -> None:
    out = Outbox()
    payload = b"\xff\x00" + "é".encode() * 5_000
    Announcer(out, HERE).committed(
        Batch.of(dead_letters=[DeadLetter("sensors/+", payload, "r", "d", NOW_NS)])
    )
    ((topic, body, retain),) = out.sent
    assert (topic, retain) == ("sensorline/rejected/sensors/_", False)
    preview = body.pop("payload")
    assert preview.startswith("\\xff\x00é")
    assert len(preview) == 200
    assert body == {
        "topic": "sensors/+",
        "reason": "r",
        "detail": "d",
        "received_at": NOW_NS // 10**6,
        "bytes": len(payload),
    }


def test_the_status_is_retained_and_says_who_and_what() -> None:
    out = Outbox()
    Announcer(out, HERE).status("running", {"stored": 5, "backlog": 0}, now_s=1000.0)
    ((topic, body, retain),) = out.sent
    assert (topic, retain) == ("sensorline/ingest/$status", True)
    assert (body["state"], body["stored"], body["backlog"]) == ("running", 5, 0)
    assert body["instance"] == msgspec.to_builtins(HERE)
    assert body["updated_at"] > NOW_NS // 10**6 - 10**12
    assert body["version"]


def test_the_status_is_a_heartbeat_and_tells_changes_at_once() -> None:
    out = Outbox()
    announcer = Announcer(out, HERE)
    for now_s, state in (
        (1000.0, "running"),
        (1000.5, "running"),
        (1000.6, "store_unavailable"),
        (1000.7, "running"),
    ):
        announcer.status(state, {}, now_s=now_s)
    announcer.status("running", {}, now_s=1000.7 + STATUS_INTERVAL_S - 0.01)
    announcer.status("running", {}, now_s=1000.7 + STATUS_INTERVAL_S)
    announcer.status("running", {}, now_s=1000.8 + STATUS_INTERVAL_S, at_once=True)
    assert [body["state"] for _, body, _ in out.sent] == [
        "running",
        "store_unavailable",
        "running",
        "running",
        "running",
    ]


def test_the_will_says_offline_and_whose_it_is() -> None:
    will = offline_will(HERE)
    assert will.topic == "sensorline/ingest/$status"
    assert msgspec.json.decode(will.payload) == {"state": "offline", "instance": msgspec.to_builtins(HERE)}
