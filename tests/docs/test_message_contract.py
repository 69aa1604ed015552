"""docs/message-contract.md says what the decoders and ingest do: every example is run, every reason is listed."""

import ast
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sensorline.decoders import Decoded, build_decoders
from sensorline.errors import Rejected
from sensorline.events import Account, Event, EventKind, EventMessage
from sensorline.reading import Batch, DeadLetter, DeviceFacts, Reading, Series
from sensorline.settings import DecodingSettings
from sensorline_ingest.announcer import STATUS_INTERVAL_S, Announcer, Instance
from sensorline_ingest.pipeline import Totals
from sensorline_ingest.settings import IngestSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/message-contract.md").read_text()
API = (ROOT / "docs/api.md").read_text()
RECEIVED_NS = 1_769_904_000_000_000_000
SOURCES = (
    "packages/sensorline/decoders",
    "packages/sensorline/topics.py",
    "services/ingest/sensorline_ingest",
)


def wire(text: str) -> bytes:
    """Return what an example publishes; \\xNN is a byte."""
    return b"".join(
        bytes.fromhex(part[2:]) if re.fullmatch(r"\\x[0-9a-f]{2}", part) else part.encode()
        for part in re.split(r"(\\x[0-9a-f]{2})", text)
    )


def decode(message: str) -> Decoded:
    topic, payload, *rest = re.split(r" {3,}", message)
    assert rest in ([], ["(retained)"])
    return build_decoders().decode(wire(topic), wire(payload), bool(rest), RECEIVED_NS)


def told(reading: Reading) -> str:
    text = f"{reading.series.device}: {reading.series.metric} = {reading.value:g}"
    if not reading.has_own_time:
        assert reading.time_ns == RECEIVED_NS
    else:
        seconds, fraction = divmod(reading.time_ns, 10**9)
        when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
        text += f" at {when}{f'.{fraction:09}'.rstrip('0') if fraction else ''}Z"
    return text if reading.seq is None else f"{text}, seq {reading.seq}"


def told_facts(facts: DeviceFacts) -> list[str]:
    said = {f: getattr(facts, f) for f in ("status", "name", "location", "interval_s", "simulated")}
    said |= {f"{field}.{key}": v for field in ("units", "names") for key, v in getattr(facts, field).items()}
    if facts.health:
        said |= {f"health.{key}": v for key, v in msgspec.structs.asdict(facts.health).items() if v}
    return [
        f"fact {facts.device}: {key} = {f'{value:g}' if isinstance(value, float) else value}"
        for key, value in said.items()
        if value is not None
    ]


def outcome(message: str) -> list[str]:
    try:
        decoded = decode(message)
    except Rejected as exc:
        return [f"rejected {exc.reason}"]
    return [
        *(f"reading {told(r)}" for r in decoded.readings),
        *(f"state {told(r)}" for r in decoded.state),
        *(line for facts in decoded.facts for line in told_facts(facts)),
        *("ignored " + re.match(r"'(.*?)'", text)[1] for text in decoded.ignored),  # type: ignore[index]  # they begin with the name
        *(f"rejected {r.reason}" for r in decoded.rejects),
    ]


def examples() -> list[list[str]]:
    blocks = re.findall(r"^```message\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [example.splitlines() for block in blocks for example in block.strip().split("\n\n")]


def reason_rows() -> list[tuple[str, str]]:
    section = TEXT.split("## Rejected messages")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| .+? \| (.+) \|$", section, re.MULTILINE)


def json_example(kind: str) -> Any:
    match = re.search(rf"^```json {kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert match
    return msgspec.json.decode(match[1].encode())


def test_there_are_examples() -> None:
    assert len(examples()) >= 15
    assert len(reason_rows()) >= 30


@pytest.mark.parametrize("example", examples(), ids=lambda e: e[0])
def test_an_example_becomes_what_the_page_says(example: list[str]) -> None:
    message, *results = example
    assert results
    assert outcome(message) == [line.removeprefix("→ ") for line in results]


@pytest.mark.parametrize(("reason", "example"), [r for r in reason_rows() if r[1] != "—"])
def test_an_example_of_a_reason_is_rejected_for_it(reason: str, example: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode(example.strip("`"))
    assert caught.value.reason == reason


def reasons_in_source() -> set[str]:
    """Return the first argument of every Rejected(…) that is written out."""
    paths = [
        p
        for source in SOURCES
        for p in ([ROOT / source] if source.endswith(".py") else (ROOT / source).rglob("*.py"))
    ]
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Rejected"
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
                else:
                    assert isinstance(first, ast.Attribute), (
                        f"{path}:{node.lineno}: a reason that is put together"
                    )
                    assert first.attr == "reason"
    return found


def test_every_reason_is_listed_once_and_every_listed_reason_exists() -> None:
    listed = [reason for reason, _ in reason_rows()]
    assert len(listed) == len(set(listed))
    assert set(listed) == reasons_in_source()


def test_the_words_are_those_that_the_decoder_knows() -> None:
    from sensorline.decoders.values import WORDS

    rows = re.findall(r"^\| ((?:`\w+` ?)+) \| ([01]) \|$", TEXT, re.MULTILINE)
    assert {word: float(value) for words, value in rows for word in re.findall(r"\w+", words)} == WORDS


def test_the_limits_are_those_in_force() -> None:
    from sensorline.decoders.base import PAYLOAD_MAX_BYTES, READINGS_MAX
    from sensorline.topics import NAME_MAX_CHARS

    defaults = IngestSettings()
    for text in (
        f"| payload | {PAYLOAD_MAX_BYTES:,} bytes |",
        f"| readings in one message | {READINGS_MAX:,} |",
        f"| metrics of a device | {defaults.max_metrics_per_device:,} (",
        f"| series in all | {defaults.max_series:,} (",
        f"1 to {NAME_MAX_CHARS} printable characters",
        f"more than {DecodingSettings().max_future_s:g} s in the future",
    ):
        assert text in TEXT.replace("\n", " ")
    assert STATUS_INTERVAL_S == 2, "the page says every two seconds"


def test_an_event_has_the_shape_that_the_page_shows() -> None:
    shown = json_example("event")
    event = Event(
        "missing:desk:1041",
        EventKind.MISSING,
        "desk",
        RECEIVED_NS,
        RECEIVED_NS + 41 * 10**9,
        37,
        [(1041, 1070), (1074, 1080)],
        "37 readings never came.",
    )
    assert msgspec.json.decode(msgspec.json.encode(EventMessage.of(event))) == shown
    assert sum(last - first + 1 for first, last in shown["ranges"]) == shown["count"]
    described = set(
        re.findall(r"^\| `(\w+)` \| .+ \|$", API.split("| kind | says |")[1].split("\n\n")[0], re.MULTILINE)
    )
    assert described == set(EventKind)


def test_the_api_page_shows_the_same_event_and_each_member_of_an_account() -> None:
    section = API.split("## Events and accounts")[1].split("\n## ")[0]
    match = re.search(r"^```json event\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert match
    assert list(msgspec.json.decode(match[1].encode())) == list(EventMessage.__struct_fields__)
    members = set(Account.__struct_fields__) - {"device", "updated_ns"}
    assert members <= set(re.findall(r"`(\w+)`", section))


class _Outbox:
    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        self.sent[topic] = msgspec.json.decode(payload)
        return True

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            self.publish(topic, payload)


def test_what_ingest_publishes_has_the_shape_that_the_page_shows() -> None:
    out = _Outbox()
    here = Instance(
        "pi",
        42,
        "/var/lib/sensorline/sensorline.db",
        "sensorline-ingest",
        "2026-01-31T12:00:00+00:00",
        "5f3c1d0a9b7e2468",
    )
    announcer = Announcer(out, here)
    seqs = [*range(1, 501), 502]
    readings = [Reading(Series("desk", "t"), RECEIVED_NS + n, 1.0, n) for n in seqs]
    letter = DeadLetter("sensors/desk/t", b"hello", "value_not_a_number", "…", RECEIVED_NS)
    announcer.committed(Batch.of(readings, [letter]))
    facts = {"store": "sqlite", "backlog": 0, "undelivered": 0, "undelivered_s": 0, "journal_fullness": 0}
    announcer.status(
        "running", facts | msgspec.structs.asdict(Totals(15, 12, 1, 2)) | {"missing": 37, "late": 0}
    )
    assert out.sent["acks/desk"] == json_example("acks")
    assert out.sent["sensorline/rejected/sensors/desk/t"] == json_example("rejected")
    status, shown = out.sent["sensorline/ingest/$status"], json_example("status")
    assert list(status) == list(shown)
    assert status | {"version": "", "updated_at": 0} == shown | {"version": "", "updated_at": 0}
