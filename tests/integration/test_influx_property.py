"""Whatever names, values and times a message has: we reject it with a reason, or InfluxDB accepts it with 204."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.drained import Drained
from tests.support.influx import server

from sensorline.decoders import build_decoders
from sensorline.errors import Rejected
from sensorline.reading import Batch, Reading
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.known import KnownSeries
from sensorline.stores.influxdb.points import reading_lines
from sensorline.stores.influxdb.reader import LAST_NS, InfluxReader

pytestmark = pytest.mark.influxdb

NOW_NS = 1_790_000_000 * 10**9

_AWKWARD = st.text(
    alphabet=" ,=\\\"'$;:.%{}()[]?*&|<>~`@!^-_/#+0aµ°日\u0301\u200d\t\n\x00\x7f\ue000", max_size=12
)
_PRINTABLE = st.text(
    alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="+#/"),
    min_size=1,
    max_size=16,
)
_POINTED = st.text(alphabet=" ,=\\\"'$;:.%{}()[]?*&|<>~`@!^-_0aµ°日", min_size=1, max_size=8)
NAMES = st.one_of(
    _PRINTABLE,
    _POINTED,
    _POINTED,
    _AWKWARD,
    st.text(max_size=20),
    st.sampled_from(["time", "_field", "_measurement", "a\\", "\\,", "\\ ", "true", "${a}", "x" * 129]),
)
VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.text(max_size=8),
    st.integers(-(10**400), 10**400),
)
TIMES = st.one_of(
    st.none(),
    st.integers(),
    st.integers(0, 2**64),
    st.floats(),
    st.integers(1_600_000_000_000, 1_900_000_000_000),
    st.text(max_size=10),
)


class Store:
    def __init__(self, folder: Path) -> None:
        self.settings = server().make_buckets()
        self.writer = Drained(self.settings, StoreSettings(path=folder / "store.db"))
        self.reader = InfluxReader(self.settings)
        self.connection = Connection(self.settings)
        self.decoders = build_decoders()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("property"))
    yield made
    made.reader.close()
    made.connection.close()
    made.writer.close()
    server().drop_buckets(made.settings.bucket)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(device=NAMES, metric=NAMES, value=VALUES, ts=TIMES)
def test_a_message_is_rejected_with_a_reason_or_accepted_by_influxdb_and_read_back(
    store: Store, device: str, metric: str, value: Any, ts: Any
) -> None:
    topic = f"sensors/{device}/{metric}".encode("utf-8", "surrogatepass")
    body: dict[str, Any] = {"value": value}
    if ts is not None:
        body["ts"] = ts
    payload = json.dumps(body).encode()
    try:
        decoded = store.decoders.decode(topic, payload, False, NOW_NS)
    except Rejected:
        # Its reason is one of a bounded set: tests/unit/core/test_bad_input.py.
        return
    for reading in decoded.readings:
        text = KnownSeries(1, reading.series).text
        (line,) = reading_lines([text], [reading.value], [reading.time_ns])
        assert store.connection.write(store.settings.bucket, line.encode()).status == 204, line
    refused_before = store.writer.state().dead_letters
    committed = store.writer.commit(Batch.of(list(decoded.readings)))
    assert committed.stored + committed.repeated == len(decoded.readings)
    assert store.writer.state().dead_letters == refused_before
    for reading in decoded.readings:
        assert _is_there(store, reading), reading


def _is_there(store: Store, reading: Reading) -> bool:
    """Tell whether a reading is found under its own names, at its time or, beside another value, just after it."""
    end_ns = min(reading.time_ns + 1_000, LAST_NS)
    found = list(store.reader.export(reading.series, reading.time_ns, end_ns))
    return reading.value in [value for _, value in found] or reading.time_ns >= LAST_NS
