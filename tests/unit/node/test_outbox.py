"""The outbox: durable, numbered once and for ever, times that only go forward."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sensorline.errors import StartupError
from sensorline_node.outbox import READING_BYTES, Outbox
from sensorline_node.sensors.base import Measurement
from sensorline_node.timeline import AHEAD_LIMIT_MS

NOW_MS = 1_737_000_000_000


def temperature(value: float = 21.5, time_ns: int | None = None) -> Measurement:
    return Measurement("temperature", value, "°C", time_ns, "Temperature")


def test_a_reading_is_there_again_after_a_restart(open_outbox: Any) -> None:
    before = open_outbox()
    rows = before.put([temperature(), Measurement("load", 0.5)], NOW_MS)
    before.close()
    after = open_outbox()
    assert after.after(0, 10) == rows
    assert after.count == 2
    assert after.units == {"temperature": "°C"}
    assert after.names == {"temperature": "Temperature"}


def test_numbers_increase_and_are_never_used_again_even_when_all_rows_are_gone(open_outbox: Any) -> None:
    first = open_outbox(first_seq=1000)
    assert [row.seq for row in first.put([temperature()] * 3, NOW_MS)] == [1000, 1001, 1002]
    assert first.confirm([(1000, 1002)]) == 3
    first.close()
    second = open_outbox(first_seq=5)
    assert [row.seq for row in second.put([temperature()], NOW_MS)] == [1003]


def test_times_of_one_series_strictly_increase_when_the_clock_stands_or_goes_back(open_outbox: Any) -> None:
    outbox = open_outbox()
    times = [outbox.put([temperature()], now)[0].time_ms for now in (NOW_MS, NOW_MS, NOW_MS - 3_600_000)]
    assert times == [NOW_MS, NOW_MS + 1, NOW_MS + 2]


def test_the_last_time_of_a_series_survives_a_restart_and_the_deletion_of_its_rows(open_outbox: Any) -> None:
    before = open_outbox()
    (row,) = before.put([temperature()], NOW_MS)
    before.confirm([(row.seq, row.seq)])
    before.close()
    assert open_outbox().put([temperature()], NOW_MS - 5_000)[0].time_ms == NOW_MS + 1


def test_another_series_keeps_its_own_time(open_outbox: Any) -> None:
    outbox = open_outbox()
    outbox.put([temperature()], NOW_MS + 10)
    assert outbox.put([Measurement("load", 1.0)], NOW_MS)[0].time_ms == NOW_MS


def test_a_clock_that_was_years_ahead_does_not_hold_a_series_in_the_future(open_outbox: Any) -> None:
    outbox = open_outbox()
    outbox.put([temperature()], NOW_MS + AHEAD_LIMIT_MS * 400)
    assert outbox.put([temperature()], NOW_MS)[0].time_ms == NOW_MS
    assert outbox.put([temperature()], NOW_MS)[0].time_ms == NOW_MS + 1


def test_a_measurement_with_a_time_of_its_own_keeps_it_in_whole_milliseconds(open_outbox: Any) -> None:
    rows = open_outbox().put([temperature(time_ns=1_500_000_000_123_456_789)] * 2, NOW_MS)
    assert [row.time_ms for row in rows] == [1_500_000_000_123] * 2


def test_only_confirmed_readings_are_deleted(open_outbox: Any) -> None:
    outbox = open_outbox()
    outbox.put([temperature(v) for v in range(10)], NOW_MS)
    assert outbox.confirm([(1, 3), (5, 5), (100, 200)]) == 4
    assert [row.seq for row in outbox.after(0, 99)] == [4, 6, 7, 8, 9, 10]
    assert outbox.count == 6
    assert outbox.confirm([(1, 3)]) == 0


def test_a_full_outbox_refuses_new_readings_visibly_and_keeps_the_old_ones(open_outbox: Any) -> None:
    outbox = open_outbox(max_readings=3)
    assert len(outbox.put([temperature(v) for v in range(5)], NOW_MS)) == 3
    assert outbox.refused == 2
    assert outbox.put([temperature()], NOW_MS) == []
    assert outbox.refused == 3
    assert [row.value for row in outbox.after(0, 9)] == [0.0, 1.0, 2.0]
    outbox.confirm([(1, 1)])
    assert [row.seq for row in outbox.put([temperature()], NOW_MS)] == [4]


def test_the_file_stays_below_its_largest_size_and_refuses_what_is_new(
    open_outbox: Any, tmp_path: Path
) -> None:
    outbox = open_outbox(max_bytes=1_000_000)
    with capture_logs() as logs:
        taken = sum(len(outbox.put([temperature(v) for v in range(1_000)], NOW_MS)) for _ in range(50))
    assert 50_000 > taken == outbox.count > 1_000_000 / READING_BYTES
    assert outbox.refused == 50_000 - taken
    assert [entry["event"] for entry in logs] == ["outbox_refuses_readings"]
    assert outbox.problems(0.0) == [
        "new readings are refused: the outbox has its largest size of 1,000,000 bytes (NODE_OUTBOX_MAX_MB)"
    ]
    assert outbox.after(0, 1)[0].seq == 1, "the oldest is still there"
    outbox.close()
    assert (tmp_path / "out" / "box.db").stat().st_size <= 1_000_000


def test_a_full_outbox_takes_readings_again_when_some_are_confirmed_and_says_so_once_it_is_calm(
    open_outbox: Any,
) -> None:
    outbox = open_outbox(max_bytes=100_000)
    with capture_logs() as logs:
        for second in range(100):
            # Two come and one goes: at its limit it refuses and accepts by turns.
            outbox.put([temperature(v) for v in range(100)], NOW_MS + second, float(second))
            outbox.confirm([(50 * second, 50 * second + 49)])
        outbox.confirm([(1, 10**9)])
        assert len(outbox.put([temperature()], NOW_MS + 1_000, 200.0)) == 1
    assert [entry["event"] for entry in logs] == ["outbox_refuses_readings", "outbox_accepts_again"]
    assert outbox.problems(200.0) == []


def test_how_many_were_refused_is_known_after_a_kill(open_outbox: Any, tmp_path: Path) -> None:
    outbox = open_outbox(max_readings=1)
    outbox.put([temperature()] * 3, NOW_MS)
    assert outbox.refused == 2
    # What a kill leaves is what is in the files at that moment.
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "out", copy)
    after = Outbox(copy / "box.db", "desk", max_bytes=10**6)
    assert after.refused == 2
    after.close()


def test_what_is_set_aside_waits_no_more_until_it_is_brought_back(open_outbox: Any) -> None:
    outbox = open_outbox()
    rows = outbox.put([temperature(v) for v in range(5)], NOW_MS)
    outbox.set_aside([2, 4])
    assert (outbox.count, outbox.aside_count) == (3, 2)
    outbox.close()
    outbox = open_outbox()
    assert [row.seq for row in outbox.after(0, 9)] == [1, 3, 5]
    assert outbox.aside_count == 2
    assert outbox.bring_back() == 2
    assert outbox.after(0, 9) == rows
    assert [row.seq for row in outbox.put([temperature()], NOW_MS)] == [6]


def test_a_late_confirmation_of_what_was_set_aside_deletes_it(open_outbox: Any) -> None:
    outbox = open_outbox()
    outbox.put([temperature(v) for v in range(5)], NOW_MS)
    outbox.set_aside([2, 4])
    outbox.confirm([(1, 3)])
    assert (outbox.count, outbox.aside_count) == (1, 1)


def test_a_metric_that_comes_later_never_takes_the_place_of_another(open_outbox: Any) -> None:
    outbox = open_outbox()
    for metrics in ("abc", "abcd", "ea", "afg", "hij", "ka"):
        outbox.put([Measurement(metric, 1.0, metric.upper()) for metric in metrics], NOW_MS)
    outbox.close()
    outbox = open_outbox()
    assert outbox.units == {metric: metric.upper() for metric in "abcdefghijk"}
    assert "".join(row.metric for row in outbox.after(0, 99)) == "abcabcdeaafghijka"


def test_an_outbox_of_the_first_version_is_brought_up_to_date_with_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    db = sqlite3.connect(path)
    db.executescript("""
        CREATE TABLE owner (device TEXT NOT NULL) STRICT;
        CREATE TABLE series (
            id INTEGER PRIMARY KEY, metric TEXT NOT NULL UNIQUE, unit TEXT NOT NULL, name TEXT NOT NULL,
            last_ms INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE reading (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, series INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL NOT NULL
        ) STRICT;
        INSERT INTO owner VALUES ('desk');
        INSERT INTO series VALUES (1, 'temperature', '°C', 'Temperature', 1737000000000);
        INSERT INTO reading VALUES (7, 1, 1737000000000, 21.5);
        UPDATE sqlite_sequence SET seq = 9;
        PRAGMA user_version = 1;
    """)
    db.close()
    outbox = Outbox(path, "desk", max_bytes=10**6)
    assert outbox.after(0, 9) == [(7, "temperature", "°C", NOW_MS, 21.5, 0)]
    assert [row[:4] for row in outbox.put([temperature()], NOW_MS)] == [(10, "temperature", "°C", NOW_MS + 1)]
    outbox.close()


def test_a_full_disk_refuses_new_readings_and_the_outbox_recovers(open_outbox: Any) -> None:
    outbox = open_outbox()
    rows = outbox.put([temperature(v) for v in range(2_000)], NOW_MS)
    # SQLite reports a database at its page limit and a disk without space by the same error.
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count={pages}")
    assert outbox.put([temperature(v) for v in range(2_000)], NOW_MS) == []
    assert outbox.refused == 2_000
    assert outbox.after(0, 9_999) == rows
    outbox.confirm([(1, 2_000)])
    again = outbox.put([temperature()], NOW_MS)
    assert [row.seq for row in again] == [2_001]
    assert again[0].time_ms > rows[-1].time_ms


def test_the_newest_reading_of_each_metric_is_found(open_outbox: Any) -> None:
    outbox = open_outbox()
    for value in range(3):
        outbox.put([temperature(value), Measurement("load", value)], NOW_MS + value)
    newest = [(row.seq, row.metric, row.value) for row in outbox.newest(100)]
    assert newest == [(5, "temperature", 2.0), (6, "load", 2.0)]


def test_a_unit_that_changes_is_a_new_fact_and_a_value_is_not(open_outbox: Any) -> None:
    outbox = open_outbox()
    outbox.put([temperature()], NOW_MS)
    revision = outbox.revision
    outbox.put([temperature(22)], NOW_MS)
    assert outbox.revision == revision
    outbox.put([Measurement("temperature", 71.0, "°F")], NOW_MS)
    assert outbox.revision > revision
    assert outbox.units == {"temperature": "°F"}


def test_a_second_node_on_the_same_file_does_not_start(open_outbox: Any) -> None:
    open_outbox()
    with pytest.raises(StartupError, match="another process uses it"):
        open_outbox()


def test_an_outbox_of_another_device_is_refused_with_both_names(open_outbox: Any) -> None:
    open_outbox("desk").close()
    with pytest.raises(StartupError, match=r"belongs to device 'desk', this node is 'attic'"):
        open_outbox("attic")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    path.write_bytes(b"not a database at all, " * 100)
    with pytest.raises(StartupError, match="damaged"):
        Outbox(path, "desk", max_bytes=10**6)
    assert path.read_bytes().startswith(b"not a database")


def test_an_outbox_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StartupError, match="has schema 99"):
        Outbox(path, "desk", max_bytes=10**6)


def test_an_outbox_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="NODE_OUTBOX_PATH"):
        Outbox(tmp_path / "file" / "box.db", "desk", max_bytes=10**6)
