"""Replay: what a CSV says, at which speed, and what is said about lines that make no sense."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sensorline.errors import SensorError
from sensorline_node.sensors.replay import CHUNK, ReplaySensor
from sensorline_node.sensors.replay_csv import BadHeader, BadRow, Cell, CsvRows
from sensorline_node.sensors.replay_progress import Lines

JAN_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z."""


def rows(text: str) -> list[list[Cell] | BadRow]:
    return list(CsvRows(text.encode().splitlines(keepends=True)))


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "readings.csv"
        path.write_text(text)
        return path

    return write


def test_a_row_can_name_its_metric_and_unit() -> None:
    text = "time,metric,value,unit\n2026-01-01T00:00:00Z,temperature,21.5,°C\n1767225601,load,1,\n"
    assert rows(text) == [
        [Cell(JAN_NS, "temperature", 21.5, "°C")],
        [Cell(JAN_NS + 10**9, "load", 1.0, "")],
    ]


def test_a_row_can_have_one_column_for_each_metric_with_holes() -> None:
    text = "\ufefftime;temperature;humidity\r\n2026-01-01T02:00:00+02:00;21.5;\r\n1767225600500;22;44\r\n"
    assert rows(text) == [
        [Cell(JAN_NS, "temperature", 21.5, "")],
        [
            Cell(JAN_NS + 500_000_000, "temperature", 22.0, ""),
            Cell(JAN_NS + 500_000_000, "humidity", 44.0, ""),
        ],
    ]


@pytest.mark.parametrize(
    "line",
    [
        "yesterday,t,1",
        "2026-01-01T00:00:00,t,1",
        "12,t,1",
        "1e300,t,1",
        "nan,t,1",
        "1767225600,t,warm",
        "1767225600,t,nan",
        "1767225600,t,1e999",
        "1767225600,a/b,1",
        "1767225600,,1",
        "1767225600,t",
        "1767225600,t,1,2",
        "\x00,t,1",
        "9" * 5_000 + ",t,1",
    ],
)
def test_a_bad_row_is_told_by_its_line_and_the_next_one_is_read(line: str) -> None:
    text = f"time,metric,value\n1767225600,t,1\n{line}\n1767225601,t,2\n"
    first, bad, last = rows(text)
    assert isinstance(first, list)
    assert isinstance(last, list)
    assert isinstance(bad, BadRow)
    assert bad.line == 3
    assert bad.detail


@pytest.mark.parametrize("header", ["", "a,b\n", "metric,value\n", "time\n", "time,a/b\n", "time,\n"])
def test_a_file_without_a_usable_header_is_refused(header: str) -> None:
    with pytest.raises(BadHeader):
        rows(header + "1767225600,1\n")


def test_at_speed_one_readings_come_when_their_time_has_come(
    csv_file: Callable[[str], Path], clock: Any
) -> None:
    path = csv_file("time,t\n1767225600,1\n1767225600,2\n1767225610,3\n1767225612,4\n")
    sensor = ReplaySensor(path, 1.0, now_s=clock.monotonic_s)
    sensor.open()
    assert [m.value for m in sensor.read()] == [1.0, 2.0]
    assert sensor.ready_in_s() == 10.0
    assert sensor.read() == []
    clock.pass_s(10)
    (third,) = sensor.read()
    assert (third.value, third.time_ns) == (3.0, JAN_NS + 10 * 10**9)
    clock.pass_s(2)
    assert [m.value for m in sensor.read()] == [4.0]
    assert sensor.ready_in_s() is None
    sensor.close()


def test_a_higher_speed_divides_the_waiting(csv_file: Callable[[str], Path], clock: Any) -> None:
    sensor = ReplaySensor(csv_file("time,t\n1767225600,1\n1767225660,2\n"), 60.0, now_s=clock.monotonic_s)
    sensor.open()
    sensor.read()
    assert sensor.ready_in_s() == 1.0
    sensor.close()


def test_without_a_speed_the_file_comes_in_chunks_without_waiting(
    csv_file: Callable[[str], Path], clock: Any
) -> None:
    path = csv_file("time,t\n" + "".join(f"{1_767_225_600 + i},{i}\n" for i in range(1_200)))
    sensor = ReplaySensor(path, None, now_s=clock.monotonic_s)
    sensor.open()
    counts = []
    while sensor.ready_in_s() is not None:
        assert sensor.ready_in_s() == 0.0
        counts.append(len(sensor.read()))
    assert counts == [CHUNK, CHUNK, 200]
    sensor.close()


def test_readings_can_happen_now_instead_of_then(csv_file: Callable[[str], Path]) -> None:
    sensor = ReplaySensor(csv_file("time,t\n1767225600,1\n"), None, keeps_times=False)
    sensor.open()
    assert [m.time_ns for m in sensor.read()] == [None]
    sensor.close()


def test_bad_rows_are_logged_with_their_line_counted_and_not_without_end(
    csv_file: Callable[[str], Path],
) -> None:
    path = csv_file("time,t\n" + "x,1\n" * 100 + "1767225600,7\n")
    sensor = ReplaySensor(path, None)
    with capture_logs() as logs:
        sensor.open()
        assert [m.value for m in sensor.read()] == [7.0]
    skipped = [entry["line"] for entry in logs if entry["event"] == "replay_row_skipped"]
    assert skipped == list(range(2, 22))
    assert sensor.bad_rows == 100
    sensor.close()


def test_without_a_terminal_progress_is_a_line_for_each_tenth(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "f.csv", 1_000)
    with capture_logs() as logs:
        for done in range(0, 1_001, 7):
            lines.show(done, 0)
        lines.show(1_000, 3)
    assert [entry["percent"] for entry in logs] == list(range(10, 101, 10))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("missing.csv", None, "NODE_REPLAY_FILE"), ("bad.csv", "a,b\n", "expected a column `time`")],
)
def test_a_file_that_cannot_be_played_is_a_sensor_error(
    tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    sensor = ReplaySensor(tmp_path / name)
    with pytest.raises(SensorError, match=says):
        sensor.open()
    sensor.close()
