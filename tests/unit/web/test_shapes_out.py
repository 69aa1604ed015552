"""Small pure parts: CSV cells and lines, Chart.js data, times, charts.toml, the policy, settings."""

from pathlib import Path

import pytest

from sensorline.errors import SettingsError
from sensorline.reading import DeviceFacts, Series
from sensorline.settings import MqttSettings, load
from sensorline.stores.base import Columns
from sensorline_web.chartjs import chart_data
from sensorline_web.charts import load_charts, parse_series_id
from sensorline_web.csv_export import file_name, rows, text_cell
from sensorline_web.instants import all_to_ms, to_ms
from sensorline_web.ranges import Range
from sensorline_web.security import content_security_policy
from sensorline_web.settings import WebSettings


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("desk", "desk"),
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x", "'-x"),
        ("@home", "'@home"),
        ('a"b,c', '"a""b,c"'),
        ("=a,b", '"\'=a,b"'),
    ],
)
def test_a_text_cell_is_never_a_formula(text: str, cell: str) -> None:
    assert text_cell(text) == cell


def test_csv_lines_keep_nanoseconds_and_negative_numbers() -> None:
    lines = b"".join(rows(Series("desk", "t"), "°C", [(1_760_000_000_000_000_001, -2.5)])).decode()
    assert lines == "2025-10-09T08:53:20.000000001Z,1760000000000.000001,desk,t,-2.5,°C\r\n"


def test_a_file_name_is_plain_whatever_the_device_is_called() -> None:
    name = file_name([Series('../é"; rm', "t")], Range(0, 10**9, True))
    assert name == "sensorline_rm_t_19700101T000000Z_19700101T000001Z.csv"


def test_whole_milliseconds_are_integers_and_others_stay_apart() -> None:
    assert to_ms(1_760_000_000_123_000_000) == 1_760_000_000_123
    assert isinstance(to_ms(1_760_000_000_123_000_000), int)
    early, late = all_to_ms([1_760_000_000_123_000_000, 1_760_000_000_123_000_900])
    assert early < late


def test_chart_data_aligns_series_and_breaks_the_line_at_a_gap() -> None:
    minute = 60 * 10**9
    a = Columns(minute, [0, minute, 3 * minute], [1, 2, 4], [1, 2, 4], [1, 2, 4], [1, 1, 1])
    b = Columns(minute, [minute], [7], [7], [7], [1])
    facts = DeviceFacts("desk", name="Desk", units={"a": "°C"})
    data = chart_data([(Series("desk", "a"), facts, a), (Series("desk", "b"), facts, b)], None)
    assert data["labels"] == [0, 60_000, 120_000, 180_000]
    assert [d["data"] for d in data["datasets"]] == [[1, 2, None, 4], [None, 7, None, None]]
    assert [d["label"] for d in data["datasets"]] == ["Desk a (°C)", "Desk b"]


def test_a_series_id_divides_at_the_last_colon() -> None:
    assert parse_series_id("a/b:c:d") == Series("a/b:c", "d")
    assert parse_series_id("desk") is None
    assert parse_series_id("desk:a/b") is None


def test_every_problem_of_the_charts_file_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "charts.toml"
    file.write_text(
        '[charts.a]\nseries = ["desk"]\n[charts.b]\nseries = []\n[charts.c]\nseries = ["d:m"]\nrange = "6 hours"\n'
        '[charts.good]\nseries = ["d:m"]\n'
    )
    with pytest.raises(SettingsError) as caught:
        load_charts(file)
    assert len(caught.value.problems) == 3


def test_no_charts_file_is_no_chart(tmp_path: Path) -> None:
    assert load_charts(tmp_path / "none.toml") == {}


def test_the_policy_allows_our_own_sockets_and_nothing_else() -> None:
    policy = content_security_policy("pi.local:8000", False)
    assert "connect-src 'self' ws://pi.local:8000 wss://pi.local:8000;" in policy
    assert "unsafe" not in policy


def test_a_host_that_would_write_into_the_policy_is_left_out() -> None:
    assert "evil" not in content_security_policy("x; script-src evil", False)


def test_settings_divide_lists_and_hide_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEB_ALLOWED_ORIGINS", "https://a.example, http://b.example:8080/")
    monkeypatch.setenv("WEB_REDIS_URL", "redis://:hush@cache:6379/0")
    settings = load(WebSettings)[WebSettings]
    assert settings.allowed_origins == ("https://a.example", "http://b.example:8080")
    assert "hush" not in str(settings.shown())


def test_bad_settings_are_listed_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    bad = {
        "PORT": "70000",
        "ASYNC_MODE": "fast",
        "TICK_MS": "x",
        "ALLOWED_ORIGINS": "*",
        "REDIS_URL": "cache",
    }
    for name, value in bad.items():
        monkeypatch.setenv(f"WEB_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load(WebSettings)
    assert {problem.name for problem in caught.value.problems} == {f"WEB_{name}" for name in bad}


def test_the_page_shows_the_broker_in_use_unless_told_otherwise() -> None:
    mqtt = MqttSettings(host="pi", port=1884)
    assert WebSettings().broker_host_port(mqtt) == ("pi", 1884)
    assert WebSettings(broker_shown="example.org:1883").broker_host_port(mqtt) == ("example.org", 1883)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in WebSettings.fields.values())
