"""What was taken in, against what the InfluxDB store says: readings that wait for InfluxDB's word are no difference."""

from pathlib import Path

from tests.support.fake_influx import FakeInflux
from tests.unit.influx.conftest import MakeWriter
from tests.unit.influx.test_delivery import DEADLINE_S, T0_NS
from tests.unit.influx.test_journal import away, back, killed

from sensorline.decoders import build_decoders
from sensorline.mqtt import RawMessage
from sensorline.stores.influxdb.writer import InfluxWriter
from sensorline_ingest.cardinality import Cardinality
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.pipeline import Pipeline

T0_MS = T0_NS // 10**6


def pipeline(writer: InfluxWriter) -> Pipeline:
    return Pipeline(build_decoders(), writer, Cardinality((), 100, 100), IngestMetrics())


def reading(n: int) -> RawMessage:
    return b"sensors/desk/t", f'{{"value":{n},"ts":{T0_MS + n}}}'.encode(), 0, 0, T0_NS + 10**9


def take(pipe: Pipeline, *messages: RawMessage) -> None:
    pipe.commit(pipe.decode(messages))
    pipe.settle()
    pipe.reconcile(0.0)
    assert pipe.totals.unaccounted == 0


def test_undecided_readings_are_no_difference_while_they_wait_after_a_kill_and_when_they_are_there(
    fake: FakeInflux, make_writer: MakeWriter, tmp_path: Path
) -> None:
    away(fake)
    pipe = pipeline(make_writer())
    take(pipe, reading(1), reading(2))
    take(pipe, reading(1), (b"sensors/desk/t", b"hello", 0, 0, T0_NS))
    totals = pipe.totals
    assert (totals.accepted, totals.rejected, totals.unaccounted) == (4, 1, 0)
    assert totals.undecided >= 1
    assert totals.stored + totals.undecided == 3
    again = killed(tmp_path, fake)()
    pipe = pipeline(again)
    assert (pipe.totals.accepted, pipe.totals.undecided, pipe.totals.unaccounted) == (4, totals.undecided, 0)
    back(fake)
    take(pipe, reading(3))
    again.drain(DEADLINE_S)
    pipe.settle()
    pipe.reconcile(1.0)
    totals = pipe.totals
    assert (totals.accepted, totals.rejected, totals.undecided, totals.unaccounted) == (5, 1, 0, 0)
    assert totals.stored + totals.duplicates == 4
    again.close()


def test_repetitions_that_nobody_noted_before_a_kill_are_counted_all_the_same(
    fake: FakeInflux, make_writer: MakeWriter
) -> None:
    writer = make_writer()
    pipe = pipeline(writer)
    take(pipe, reading(1))
    take(pipe, reading(1))
    writer.drain(DEADLINE_S)
    writer.close()
    pipe = pipeline(make_writer())
    before = pipe.totals
    assert (before.accepted, before.stored, before.duplicates, before.unaccounted) == (2, 1, 1, 0)
    take(pipe, reading(2))
    after = pipeline(make_writer()).totals
    assert (after.accepted, after.stored, after.duplicates, after.unaccounted) == (3, 2, 1, 0)
