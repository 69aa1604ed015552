"""Lines and names: what InfluxDB is told, to the byte."""

import gzip
import math

import pytest
from tests.support.fake_influx import FakeInflux

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb import names, points
from sensorline.stores.influxdb.connection import Connection


@pytest.mark.parametrize(
    ("device", "metric", "key"),
    [
        ("desk", "temperature", "temperature,device=desk"),
        ("a b", "c d", "c\\ d,device=a\\ b"),
        ("a,b=c", "d,e=f", "d\\,e=f,device=a\\,b\\=c"),
        ("a\\", "\\,", "\ue05c\\,,device=a\ue05c"),
        ('"', "'", "',device=\""),
    ],
)
def test_a_key_is_escaped_for_line_protocol(device: str, metric: str, key: str) -> None:
    assert names.line_key(device, metric) == key.encode()


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00", "\ue05c"])
def test_a_name_that_line_protocol_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot store the name"):
        names.stored_name(name)


def test_names_in_queries_are_quoted() -> None:
    assert names.influxql_name('a"; DROP') == '"a\\"; DROP"'
    assert names.flux_text('a"${b}\\') == '"a\\"\\x24{b}\ue05c"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (21.0, b"21.0"),
        (-0.1, b"-0.1"),
        (1e22, b"1e22"),
        (1e16, b"1e16"),
        (-0.0, b"-0.0"),
        (123456789.123456789, b"123456789.12345679"),
        (1.7976931348623157e308, b"1.7976931348623157e308"),
        (5e-324, b"5e-324"),
        (2.0**53 + 2, b"9007199254740994.0"),
    ],
)
def test_a_value_is_a_float_with_all_its_digits(value: float, text: bytes) -> None:
    (line,) = points.reading_lines(["t,device=d value="], [value], [7])
    assert line.encode() == b"t,device=d value=%b 7\n" % text
    assert float(text) == value


def test_a_rollup_is_floats_and_its_sum_is_finite() -> None:
    assert points.rollup_line(b"k", 60, 1, 2, 3, 2) == b"k min=1.0,max=2.0,sum=3.0,n=2.0 60\n"
    assert b"sum=1.7976931348623157e+308" in points.rollup_line(b"k", 60, 1, 2, math.inf, 2)
    assert b"sum=0.0" in points.rollup_line(b"k", 60, 1, 2, math.nan, 2)


@pytest.mark.parametrize(
    ("host", "is_compressed"),
    [("127.0.0.1", False), ("localhost", False), ("[::1]", False), ("influxdb", True), ("192.168.1.5", True)],
)
def test_lines_are_compressed_only_for_another_host(fake: FakeInflux, host: str, is_compressed: bool) -> None:
    settings = fake.settings(url=f"http://{host}:8086")
    connection = Connection(settings)
    assert connection.compresses == is_compressed
    connection.close()


def test_compressed_lines_arrive_with_the_header_and_unpack_to_the_same(fake: FakeInflux) -> None:
    connection = Connection(fake.settings())
    connection.compresses = True
    lines = b"t,device=d value=1.0 1\n" * 3
    assert connection.write("b", lines).status == 204
    assert fake.headers[-1]["Content-Encoding"] == "gzip"
    assert gzip.decompress(fake.bodies[-1]) == lines
    connection.close()
