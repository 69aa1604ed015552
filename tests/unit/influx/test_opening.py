"""One setting chooses the store; InfluxDB's client is needed only then."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from sensorline.errors import SettingsError, StartupError
from sensorline.settings import StoreSettings, load
from sensorline.stores import opening
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.sqlite import SqliteReader, SqliteWriter

CHOSEN = InfluxSettings(url="http://127.0.0.1:1", org="o", token="t")  # type: ignore[arg-type]


def test_without_a_url_the_store_is_sqlite(tmp_path: Path) -> None:
    store, influx = StoreSettings(path=tmp_path / "s.db"), InfluxSettings()
    assert opening.kind(influx) == "sqlite"
    assert opening.local_path(store, influx) == store.path
    writer = opening.open_writer(store, influx)
    assert isinstance(writer, SqliteWriter)
    writer.close()
    assert isinstance(opening.open_reader(store, influx), SqliteReader)


def test_with_a_url_nothing_of_an_embedded_store_is_touched(tmp_path: Path) -> None:
    store = StoreSettings(path=tmp_path / "s.db")
    writer = opening.open_writer(store, CHOSEN)
    writer.close()
    assert opening.kind(CHOSEN) == "influxdb"
    assert opening.local_path(store, CHOSEN) == tmp_path / "s.influxdb.db"
    assert opening.local_path(store, CHOSEN).exists()
    assert not store.path.exists()
    assert opening.open_dead_letters(store, CHOSEN).list(10) == []


def test_without_its_client_the_choice_is_refused_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    for open_ in (opening.open_writer, opening.open_reader):
        with pytest.raises(StartupError, match=r"pip install 'sensorline\[influxdb\]'"):
            open_(StoreSettings(path=tmp_path / "s.db"), CHOSEN)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"INFLUXDB_V2_URL": "http://h:8086"}, "INFLUXDB_V2_TOKEN"),
        ({"INFLUXDB_V2_URL": "h:8086"}, "INFLUXDB_V2_URL"),
        ({"INFLUXDB_V2_BUCKET": "a/b"}, "INFLUXDB_V2_BUCKET"),
        ({"INFLUXDB_V2_BUCKET": '"; drop'}, "INFLUXDB_V2_BUCKET"),
        ({"INFLUXDB_V2_TIMEOUT": "0"}, "INFLUXDB_V2_TIMEOUT"),
    ],
)
def test_a_bad_setting_is_named(values: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(InfluxSettings, flags=values)
    assert name in {problem.name for problem in caught.value.problems}


def test_the_token_can_come_from_a_file_and_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hush\n")
    given = {"INFLUXDB_V2_URL": "http://h:8086", "INFLUXDB_V2_ORG": "o", "INFLUXDB_V2_TOKEN_FILE": str(file)}
    settings = load(InfluxSettings, flags=given)[InfluxSettings]
    assert settings.token.get_secret_value() == "hush"
    assert settings.shown()["INFLUXDB_V2_TOKEN"] == "********"
