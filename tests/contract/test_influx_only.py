"""What holds for the InfluxDB store besides the contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.drained import Drained
from tests.support.influx import Server

from sensorline.reading import Batch, Committed, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.delivery import LINES_PER_REQUEST
from sensorline.stores.influxdb.reader import InfluxReader
from sensorline.stores.influxdb.settings import Buckets
from sensorline.stores.influxdb.writer import InfluxWriter

T0_NS = 1_790_000_000 * 10**9
DESK = Series("desk", "temperature")


@pytest.fixture
def influx(influx_server: Server) -> Any:
    settings = influx_server.make_buckets()
    yield settings
    influx_server.drop_buckets(settings.bucket)


def open_writer(influx: Any, folder: Path, name: str = "here") -> Drained:
    return Drained(influx, StoreSettings(path=folder / f"{name}.db"))


def test_a_writer_with_a_new_local_file_overwrites_nothing_that_is_stored(
    influx: Any, tmp_path: Path
) -> None:
    first = open_writer(influx, tmp_path)
    stored = [Reading(DESK, T0_NS + i * 10**9, float(i)) for i in range(10)]
    first.commit(Batch.of(stored))
    first.close()
    second = open_writer(influx, tmp_path, "elsewhere")
    assert second.commit(Batch.of(stored[3:5])) == Committed(0, 2, 0)
    assert second.commit(Batch.of([Reading(DESK, T0_NS + 10**9, 77.0)])) == Committed(1, 0, 1)
    assert list(second.series()) == [DESK]
    reader = InfluxReader(influx)
    assert [v for _, v in reader.export(DESK, 0, 2**62)] == [0.0, 1.0, 77.0, *map(float, range(2, 10))]
    second.close()
    reader.close()


def test_another_bucket_that_holds_readings_already_is_looked_through_before_the_first_commit(
    influx_server: Server, influx: Any, tmp_path: Path
) -> None:
    somebody = open_writer(influx, tmp_path, "elsewhere")
    somebody.commit(Batch.of([Reading(DESK, T0_NS + i * 10**9, float(i)) for i in range(10)]))
    somebody.close()
    before = influx_server.make_buckets()
    writer = open_writer(before, tmp_path)
    writer.commit(Batch.of([Reading(DESK, T0_NS + 4 * 10**9, 44.0)]))
    writer.close()
    # In the bucket before, this time would be a new one: there, that knowledge would replace a stored reading.
    writer = open_writer(influx, tmp_path)
    assert writer.commit(Batch.of([Reading(DESK, T0_NS + 9 * 10**9, 99.0)])) == Committed(1, 0, 1)
    writer.close()
    reader = InfluxReader(influx)
    assert [v for _, v in reader.export(DESK, 0, 2**62)] == [*map(float, range(10)), 99.0]
    reader.close()
    influx_server.drop_buckets(before.bucket)


def test_two_ingests_on_one_bucket_store_the_same_readings_once_and_keep_what_differs(
    influx: Any, tmp_path: Path
) -> None:
    """Nothing keeps ingests of other hosts with other sessions away: docs/operations.md says what becomes of it."""
    one, other = open_writer(influx, tmp_path, "one"), open_writer(influx, tmp_path, "other")
    own_time = [Reading(DESK, T0_NS + i * 10**9, float(i)) for i in range(200)]
    for first in range(0, 200, 50):
        one.commit(Batch.of(own_time[first : first + 50]))
        other.commit(Batch.of(own_time[first : first + 50]))
    # Without a time of its own a message is stored at the time at which each of them received it.
    one.commit(Batch.of([Reading(DESK, T0_NS + 300 * 10**9, 77.0)]))
    other.commit(Batch.of([Reading(DESK, T0_NS + 300 * 10**9 + 1_000_000, 77.0)]))
    for writer in (one, other):
        while writer.maintain(T0_NS + 10**12):
            pass
    reader = InfluxReader(influx)
    exported = list(reader.export(DESK, 0, 2**62))
    assert exported == [
        *((r.time_ns, r.value) for r in own_time),
        (T0_NS + 300 * 10**9, 77.0),
        (T0_NS + 300 * 10**9 + 1_000_000, 77.0),
    ]
    assert sum(reader.query(DESK, T0_NS - 10**14, T0_NS + 10**14, 5).n) == 202
    for part in (one, other, reader):
        part.close()


def test_what_others_keep_in_the_bucket_is_left_alone(influx: Any, tmp_path: Path) -> None:
    connection = Connection(influx)
    lines = b'cpu,host=a value=1i 5\nlog value="text" 6\nweather,device=roof,place=x value=3.5 7\n'
    assert connection.write(influx.bucket, lines).status == 204
    writer = open_writer(influx, tmp_path)
    writer.commit(Batch.of([Reading(DESK, T0_NS, 21.5)]))
    while writer.maintain(T0_NS + 10**12):
        pass
    reader = InfluxReader(influx)
    assert [info.series for info in reader.latest()] == [DESK, Series("roof", "weather")]
    assert [info.facts.device for info in reader.devices()] == ["desk", "roof"]
    for part in (writer, reader, connection):
        part.close()


def test_a_reader_on_another_host_needs_only_the_server(influx: Any, tmp_path: Path) -> None:
    writer = open_writer(influx, tmp_path)
    pairs = [(T0_NS - i * 10**10, float(i % 7)) for i in range(5_000)]
    writer.commit(Batch.of([Reading(DESK, t, v) for t, v in pairs]))
    reader = InfluxReader(influx)
    before = reader.query(DESK, T0_NS - 10**14, T0_NS + 1, 50)
    while writer.maintain(T0_NS + 10**12):
        pass
    assert reader.query(DESK, T0_NS - 10**14, T0_NS + 1, 50).n == before.n
    # Late, not yet rolled up, read by somebody who has no list of what is to do.
    writer.commit(Batch.of([Reading(DESK, T0_NS - 3 * 10**13 + 1, 1_000.0)]))
    late = InfluxReader(influx)
    after = late.query(DESK, T0_NS - 10**14, T0_NS + 1, 50)
    assert (sum(after.n), max(after.max)) == (sum(before.n) + 1, 1_000.0)
    for part in (writer, reader, late):
        part.close()


class Interrupted(Connection):
    """A reader's connection on which something else happens just before each request."""

    def __init__(self, influx: Any, happens: Callable[[], None]) -> None:
        super().__init__(influx)
        self._happens = happens

    def _request(self, path: str, headers: dict[str, str], **options: Any) -> bytes:
        self._happens()
        return super()._request(path, headers, **options)


@pytest.mark.parametrize("max_points", [1, 30, 200])
@pytest.mark.parametrize("hours", [1, 24, 2_400])
def test_what_is_rolled_up_between_a_readers_requests_is_not_half_seen(
    influx: Any, tmp_path: Path, max_points: int, hours: int
) -> None:
    """Before each request the writer commits ten readings over more than a minute, and rolls up what is over."""
    writer = open_writer(influx, tmp_path)
    now_ns = T0_NS
    writer.commit(Batch.of([Reading(DESK, T0_NS - i * 3600 * 10**9, 0.0) for i in range(hours)]))

    def go_on() -> None:
        nonlocal now_ns
        times = [now_ns + (i + 1) * 7 * 10**9 for i in range(10)]
        writer.commit(Batch.of([Reading(DESK, t, 1.0) for t in times]))
        now_ns = times[-1]
        while writer.maintain(now_ns):
            pass

    reader = InfluxReader(influx)
    reader._connection = Interrupted(influx, go_on)
    for _ in range(8):
        columns = reader.query(DESK, T0_NS - hours * 3600 * 10**9, T0_NS + 10**14, max_points)
        assert columns.last_ns is not None
        committed = (columns.last_ns - T0_NS) // (7 * 10**9)
        assert committed % 10 == 0
        assert sum(columns.n) == hours + committed
    reader.close()
    writer.close()


def test_an_installation_without_the_bucket_of_half_days_works_and_gains_them_when_setup_was_run_again(
    influx: Any, influx_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Buckets(influx.bucket).half_days
    (found,) = influx_server.call("GET", f"/api/v2/buckets?name={bucket}")["buckets"]
    influx_server.call("DELETE", f"/api/v2/buckets/{found['id']}")
    now_ns, span = T0_NS + 86_400 * 10**9, (T0_NS - 400 * 86_400 * 10**9, T0_NS + 1, 500)
    writer, reader, connection = open_writer(influx, tmp_path), InfluxReader(influx), Connection(influx)

    def upkeep(at_ns: int) -> None:
        while writer.maintain(at_ns):
            pass

    writer.commit(Batch.of([Reading(DESK, T0_NS - i * 6 * 3600 * 10**9, float(i)) for i in range(1_500)]))
    upkeep(now_ns)
    writer.commit(Batch.of([Reading(DESK, T0_NS - 10**9, 7.5)]))
    upkeep(now_ns + 10**9)
    assert capsys.readouterr().out.count("half_day_level_missing") == 1
    before = reader.query(DESK, *span)
    assert sum(before.n) == 1_501
    body = {"orgID": found["orgID"], "name": bucket, "retentionRules": []}
    influx_server.call("POST", "/api/v2/buckets", body)
    upkeep(now_ns + 3600 * 10**9)
    ((rows,),) = connection.influxql(bucket, ["SELECT n, todo FROM temperature WHERE device = 'desk'"])
    assert [row[2] for row in rows.values if row[2]] == []
    assert sum(row[1] for row in rows.values) == 1_501
    assert reader.query(DESK, *span) == before
    writer.commit(Batch.of([Reading(DESK, T0_NS - 300 * 86_400 * 10**9 + 1, 99.0)]))
    after = reader.query(DESK, *span)
    assert (sum(after.n), max(after.max)) == (1_502, max(before.max))
    for part in (writer, reader, connection):
        part.close()


def test_latest_values_are_those_of_now_while_a_backlog_is_delivered_behind_them(
    influx: Any, tmp_path: Path
) -> None:
    """F10. One step of the forwarder by hand: one request of readings, and what is newest."""
    writer = InfluxWriter(influx, StoreSettings(path=tmp_path / "here.db"))
    writer._forwarding.stop()
    total = 4 * LINES_PER_REQUEST
    for first in range(0, total, 1_000):
        writer.commit(
            Batch.of([Reading(DESK, T0_NS + i * 10**6, float(i)) for i in range(first, first + 1_000)])
        )
    reader = InfluxReader(influx)
    assert writer._forwarder.deliver()
    (shown,) = reader.latest()
    assert (shown.series, shown.time_ns, shown.value) == (DESK, T0_NS + (total - 1) * 10**6, total - 1.0)
    (device,) = reader.devices()
    assert device.last_seen_ns == shown.time_ns
    # Nothing else was said: what the past holds is what was delivered.
    assert len(list(reader.export(DESK, 0, 2**62))) == LINES_PER_REQUEST
    assert sum(reader.query(DESK, T0_NS, T0_NS + 10**12, 10).n) == LINES_PER_REQUEST
    while writer._forwarder.deliver():
        pass
    assert reader.latest() == [shown]
    assert [v for _, v in reader.export(DESK, 0, 2**62)] == [float(i) for i in range(total)]
    reader.close()
    writer.close()
