"""The quick way says exactly what the long way says: of any payload, on topics that it knows and does not know."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.bad_input import CASES

from sensorline.decoders import TimeLimits, build_decoders
from sensorline.events import Account, Event
from sensorline.mqtt import RawMessage
from sensorline.reading import Batch, Committed, Receipt, Series
from sensorline.stores.base import WriterState
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

NOW_MS = 1_790_000_000_000
NOW_NS = NOW_MS * 10**6
MAX_AGE_S = 10 * 86_400.0
TOPICS = (
    b"sensors/desk/temperature",
    b"sensors/desk",
    b"sensors/a/b/c",
    b"sensors/a/b",
    b"sensors/desk/$status",
)


class Nothing:
    """A store without readings; nothing is committed here."""

    waiting_windows = 0

    def receipts(self) -> list[Receipt]:
        return []

    def state(self) -> WriterState:
        return WriterState(0, 0, 0)

    def series(self) -> list[Series]:
        return []

    def commit(self, batch: Batch) -> Committed:
        raise AssertionError("not here")

    def keep(self, snapshot: Callable[[], bytes]) -> None:
        """Nothing is kept."""

    def recall(self) -> tuple[bytes, list[bytes]]:
        return b"", []

    def repeats(self) -> dict[str, int]:
        return {}

    def open_events(self) -> list[Event]:
        return []

    def accounts(self) -> list[Account]:
        return []

    def maintain(self, now_ns: int) -> bool:
        return False

    def close(self) -> None:
        pass


def pipeline(quick: bool) -> Pipeline:
    limits = TimeLimits(max_age_s=MAX_AGE_S)
    made = Pipeline(build_decoders(limits), Nothing(), Cardinality((), 40, 12), IngestMetrics())
    if not quick:
        made._quick = None
    return made


def said(pipe: Pipeline, batch: Batch) -> Any:
    """Everything that a batch is, with -0.0 and int told from 0.0 and float."""
    counts = {
        name: pipe._metrics.registry.get_sample_value(f"sensorline_ingest_{name}_total")
        for name in ("members_ignored", "readings_state", "messages_repeated")
    }
    return (
        [(s, t, repr(v)) for s, t, v in batch.readings],
        batch.dead_letters,
        batch.facts,
        batch.packet_ids,
        batch.digests,
        {device: set(numbers) for device, numbers in batch.seqs.items()},
        batch.confirm_tokens,
        counts,
    )


_TIMES = (
    st.integers(NOW_MS - 20 * 86_400_000, NOW_MS + 400_000)
    | st.sampled_from(
        [NOW_MS + 300_000 + d for d in (-2, -1, 0, 1)]
        + [NOW_MS - int(MAX_AGE_S * 1000) + d for d in (-1, 0, 1, 2)]
        + [0, -5, 946_684_800_000, 10**11, 10**14, 10**17, 2**63, 2**64, 10**30, None, True, "noon"]
        + ["2026-09-21T14:13:20Z", "2026-09-21T14:13:20", "2026-09-21T14:13:19.123456789+02:00"]
    )
    | st.integers(NOW_MS // 1000 - 900_000, NOW_MS // 1000 + 400)
    | st.floats(NOW_MS / 1000 - 900_000, NOW_MS / 1000 + 400)
    | st.integers(NOW_NS - 10**15, NOW_NS + 4 * 10**11)
    | st.floats()
)
_VALUES = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(10**400), 10**400)
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        [None, True, False, "on", " OPEN ", "21.5", "x", "v1", "", "1e400", "nan", "-inf", "İ", "ｎ"]
    )
    | st.sampled_from([[], {}, {"a": 1}, 0, -0.0])
    | st.text(max_size=4)
)
_SEQS = st.integers(-1, 2**53 + 1) | st.sampled_from([None, 5.0, True, "5", 2**53, 2**64, 10**400])
_UNITS = st.sampled_from([None, "", "°C", "K", 5, "x" * 33, "a\nb"])
_NAMES = st.sampled_from(
    ["temperature", "humidity", "value", "b", "ts", "seq", "é", "e\u0301", "", "a/b", "$x", "K", "\u212a"]
)
_ONE = st.fixed_dictionaries(
    {"value": _VALUES}, optional={"ts": _TIMES, "seq": _SEQS, "unit": _UNITS, "more": _VALUES}
)
_MANY = st.builds(
    lambda members, rest: members | rest,
    st.dictionaries(
        _NAMES, _VALUES | st.floats(-50, 50) | st.fixed_dictionaries({"value": _VALUES, "unit": _UNITS})
    ),
    st.fixed_dictionaries({}, optional={"ts": _TIMES, "seq": _SEQS}),
)
_CONTENT = _VALUES | _ONE | _MANY | st.lists(_ONE | _MANY | _VALUES, max_size=5)


def text(content: Any) -> bytes:
    """Return JSON as a device may write it; numbers that JSON has no word for become words that it has not."""
    try:
        return msgspec.json.encode(content)
    except (OverflowError, msgspec.MsgspecError, ValueError):
        return repr(content).replace("'", '"').replace("None", "null").replace("True", "true").encode()


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    payload = text(draw(_CONTENT))
    for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
        at = draw(st.integers(0, len(payload)))
        new = draw(
            st.binary(max_size=3) | st.sampled_from([b",", b"}", b"1", b"e5", b".0", b" ", b"\\u0061", b'"'])
        )
        payload = payload[:at] + new + payload[at + draw(st.integers(0, 3)) :]
    return payload


@st.composite
def message_lists(draw: st.DrawFn) -> list[RawMessage]:
    out = []
    for _ in range(draw(st.integers(1, 8))):
        packet_id = draw(st.sampled_from([0, 0, 1, 2, 3]))
        flags = draw(st.sampled_from([0, 0, 0, 0x01, 0x08 if packet_id else 0])) | (2 if packet_id else 0)
        payload = draw(payloads() | st.sampled_from([b"21.5", b"online", b'{"value":1}', b'{"b":1}', b""]))
        out.append((draw(st.sampled_from(TOPICS)), payload, packet_id, flags, NOW_NS))
    return out


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(message_lists(), min_size=1, max_size=4))
def test_any_messages_have_the_same_outcome_on_both_ways(batches: list[list[RawMessage]]) -> None:
    quick, long = pipeline(quick=True), pipeline(quick=False)
    for messages in batches:
        assert said(quick, quick.decode(messages)) == said(long, long.decode(messages))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TOPICS), payloads(), payloads())
def test_what_a_topic_was_learnt_from_changes_nothing(topic: bytes, first: bytes, second: bytes) -> None:
    quick, long = pipeline(quick=True), pipeline(quick=False)
    for payload in (b"21.5", b'{"temperature":1,"b":2}', first, second, second, first, second):
        messages = [(topic, payload, 7, 2, NOW_NS)]
        assert said(quick, quick.decode(messages)) == said(long, long.decode(messages))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_of_bad_input_has_the_same_outcome_on_a_known_topic(case: Any) -> None:
    quick, long = pipeline(quick=True), pipeline(quick=False)
    topic = case.topic.encode()
    for payload in (b"1", b'{"t":1}', case.payload, case.payload):
        messages = [(topic, payload, 7, 2, NOW_NS)]
        assert said(quick, quick.decode(messages)) == said(long, long.decode(messages))


PLAIN = [
    (b"sensors/desk/t", b"21.5"),
    (b"sensors/desk/t", b"-3"),
    (b"sensors/desk/t", b'{"value":21.5,"ts":%d}' % NOW_MS),
    (b"sensors/desk/t", b'{"value":21,"ts":%d,"seq":17,"unit":"K"}' % (NOW_MS // 1000)),
    (b"sensors/desk/t", b'{"value":21,"ts":"2026-09-21T14:13:20Z"}'),
    (b"sensors/desk/t", b'[{"value":1,"ts":%d,"seq":4},{"value":2}]' % NOW_MS),
    (b"sensors/desk", b'{"t":21.5,"h":44,"ts":%d,"seq":9}' % NOW_MS),
    (b"sensors/desk", b'[{"t":21.5,"h":44,"ts":%d},{"h":1.5}]' % NOW_MS),
    (b"sensors/site/desk", b'{"t":21.5,"h":44}'),
    (b"sensors/desk/t", b'{"value":21.5,"ts":%d,"battery":{"low":false}}' % NOW_MS),
    (b"sensors/desk", b'{"t":21.5,"state":"ON","fw":"v1.2","x":null,"up":true,"n":"44","deep":{"a":1}}'),
]


@pytest.mark.parametrize(("topic", "payload"), PLAIN, ids=lambda text: text.decode()[:40])
def test_a_plain_message_goes_the_long_way_once(topic: bytes, payload: bytes) -> None:
    pipe = pipeline(quick=True)
    assert pipe._quick is not None
    pipe.decode([(topic, payload, 1, 2, NOW_NS)])
    gone: list[RawMessage] = []
    pipe._quick._long_way = lambda batch, message: gone.append(message)
    batch = pipe.decode([(topic, payload, n, 2, NOW_NS) for n in range(2, 5)])
    assert gone == []
    assert batch.packet_ids == [2, 3, 4]
    assert len(batch.readings) == 3 * len(
        pipeline(quick=False).decode([(topic, payload, 1, 2, NOW_NS)]).readings
    )


def test_more_topics_than_are_remembered_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorline_ingest.quick.MAX_TOPICS_REMEMBERED", 3)
    pipe = pipeline(quick=True)
    assert pipe._quick is not None
    for _ in range(3):
        batch = pipe.decode([(b"sensors/desk/m%d" % n, b"1", 0, 0, NOW_NS) for n in range(10)])
        assert [series.metric for series in batch.readings.series] == [f"m{n}" for n in range(10)]
        assert len(pipe._quick._known) <= 3
