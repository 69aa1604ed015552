"""The REST API on a real store, and without one."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.support.waiting import wait_until

from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.sqlite import SqliteWriter
from sensorline_web.answers import encode
from sensorline_web.services import services

T0_MS = 1_760_000_000_000
SPAN = f"from={T0_MS}&to={T0_MS + 600_000}"
TEMPERATURE = f"/api/v1/series?device=desk&metric=temperature&{SPAN}"


def test_devices_carry_facts_status_and_latest_values(client: FlaskClient) -> None:
    body = client.get("/api/v1/devices").get_json()
    desk, door = body["devices"]
    assert desk["device"] == "desk"
    assert (desk["name"], desk["status"], desk["status_at"]) == ("Desk", "online", T0_MS)
    assert desk["last_seen"] == T0_MS + 599_000
    assert desk["metrics"][1] == {
        "metric": "temperature",
        "name": None,
        "unit": "°C",
        "time": T0_MS + 599_000,
        "value": 26.0,
    }
    assert (door["device"], door["status"], door["simulated"]) == ("hall/door", "unknown", False)
    assert abs(body["now"] - T0_MS) > 0


def test_latest_is_one_entry_for_each_series(client: FlaskClient) -> None:
    entries = client.get("/api/v1/latest").get_json()["latest"]
    assert [(e["device"], e["metric"]) for e in entries] == [
        ("desk", "humidity"),
        ("desk", "temperature"),
        ("hall/door", "open"),
    ]


def test_latest_includes_what_only_the_broker_has_said(make_app: Callable[..., Flask], link: Any) -> None:
    app = make_app()
    link.put("sensors/lab/co2", "600")
    services(app).feed.step()
    entries = app.test_client().get("/api/v1/latest").get_json()["latest"]
    assert {"lab", "desk"} <= {entry["device"] for entry in entries}


def test_devices_and_latest_work_without_a_store(
    make_app: Callable[..., Flask], link: Any, tmp_path: Path
) -> None:
    app = make_app(path=tmp_path / "none.db")
    link.put("sensors/lab/co2", "600")
    services(app).feed.step()
    client = app.test_client()
    assert client.get("/api/v1/latest").get_json()["latest"][0]["value"] == 600
    assert client.get("/api/v1/devices").get_json()["devices"][0]["device"] == "lab"


def test_series_are_single_readings_when_they_fit(client: FlaskClient) -> None:
    body = client.get(TEMPERATURE).get_json()
    (series,) = body["series"]
    assert (body["from"], body["to"], series["bucket_ms"], series["unit"]) == (
        T0_MS,
        T0_MS + 600_000,
        0,
        "°C",
    )
    assert series["t"] == [T0_MS + i * 1000 for i in range(600)]
    assert series["mean"][:2] == [20.01, 20.02]
    assert set(series["n"]) == {1}


def test_series_are_buckets_when_they_do_not_fit(client: FlaskClient) -> None:
    (series,) = client.get(f"{TEMPERATURE}&max_points=10").get_json()["series"]
    assert series["bucket_ms"] > 0
    assert len(series["t"]) <= 10
    assert sum(series["n"]) == 600
    assert all(a <= b <= c for a, b, c in zip(series["min"], series["mean"], series["max"], strict=True))


def test_a_device_alone_means_all_its_metrics(client: FlaskClient) -> None:
    body = client.get(f"/api/v1/series?device=desk&{SPAN}").get_json()
    assert [series["metric"] for series in body["series"]] == ["humidity", "temperature"]


def test_an_unknown_series_has_no_points(client: FlaskClient) -> None:
    (series,) = client.get(f"/api/v1/series?device=no&metric=such&{SPAN}").get_json()["series"]
    assert series["t"] == []


def test_an_instant_between_milliseconds_keeps_its_fraction(client: FlaskClient) -> None:
    (series,) = client.get(f"/api/v1/series?device=hall/door&metric=open&{SPAN}").get_json()["series"]
    assert series["t"] == [T0_MS + 0.000005]


def test_a_mean_that_is_no_number_is_null() -> None:
    assert encode([float("nan"), float("inf"), 1.5]) == b"[null,null,1.5]"


@pytest.mark.parametrize("address", [TEMPERATURE, f"/api/v1/chart-data/desk:temperature?{SPAN}"])
def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, address: str) -> None:
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


def test_a_range_in_the_past_is_kept_for_a_moment_and_one_that_reaches_the_present_is_not(
    make_app: Callable[..., Flask], store_path: Path
) -> None:
    client = make_app(cache_s=60).test_client()
    present = TEMPERATURE.partition("&to=")[0]
    past_before, present_before = (client.get(a).get_json()["series"] for a in (TEMPERATURE, present))
    writer = SqliteWriter(StoreSettings(path=store_path))
    writer.commit(Batch.of(readings=[Reading(Series("desk", "temperature"), (T0_MS + 1) * 10**6, 99.0)]))
    writer.close()
    assert client.get(TEMPERATURE).get_json()["series"] == past_before
    assert client.get(f"{TEMPERATURE}&max_points=10").get_json()["series"][0]["max"][0] == 99.0
    assert client.get(present).get_json()["series"] != present_before


def test_a_kept_answer_tells_the_time_of_now(make_app: Callable[..., Flask]) -> None:
    client = make_app(cache_s=60).test_client()
    first = client.get(TEMPERATURE).get_json()
    wait_until(lambda: client.get(TEMPERATURE).get_json()["now"] > first["now"], 5, "a later `now`")


def test_an_answer_is_compressed_for_who_takes_gzip(client: FlaskClient) -> None:
    plain = client.get(TEMPERATURE)
    packed = client.get(TEMPERATURE, headers={"Accept-Encoding": "br, gzip;q=0.8"})
    refused = client.get(TEMPERATURE, headers={"Accept-Encoding": "gzip;q=0, br"})
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert "Content-Encoding" not in plain.headers
    assert "Content-Encoding" not in refused.headers
    assert len(packed.data) * 3 < len(plain.data)
    assert json.loads(gzip.decompress(packed.data))["series"] == plain.get_json()["series"]
    assert packed.headers["ETag"] == plain.headers["ETag"]
    short = client.get(f"{TEMPERATURE}&max_points=1", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short.headers


def test_a_new_reading_changes_the_tag(make_app: Callable[..., Flask], store_path: Path) -> None:
    client = make_app(cache_s=0).test_client()
    for address in (TEMPERATURE, f"/api/v1/chart-data/desk:temperature?{SPAN}"):
        tag = client.get(address).headers["ETag"]
        writer = SqliteWriter(StoreSettings(path=store_path))
        time_ns = (T0_MS + 500) * 10**6 + len(address)
        writer.commit(Batch.of(readings=[Reading(Series("desk", "temperature"), time_ns, 99.0)]))
        writer.close()
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_chart_data_has_the_shape_of_chartjs(client: FlaskClient) -> None:
    for prefix in ("/api/v1", "/api"):
        body = client.get(f"{prefix}/chart-data/hall/door:open?{SPAN}").get_json()
        assert body["labels"] == [T0_MS + 0.000005]
        assert body["datasets"][0]["data"] == [1.0]
        assert body["datasets"][0]["label"] == "hall/door open"


def test_a_named_chart_brings_its_series(make_app: Callable[..., Flask]) -> None:
    charts = '[charts.climate]\ntitle = "Climate"\nseries = ["desk:temperature", "desk:humidity"]\nmax_points = 5\n'
    body = make_app(charts=charts).test_client().get(f"/api/v1/chart-data/climate?{SPAN}").get_json()
    assert body["title"] == "Climate"
    assert [d["unit"] for d in body["datasets"]] == ["°C", "%"]
    assert len(body["labels"]) <= 10


def test_chart_data_is_kept_for_a_moment(make_app: Callable[..., Flask], store_path: Path) -> None:
    client = make_app(cache_s=60).test_client()
    address = f"/api/v1/chart-data/desk:humidity?{SPAN}"
    first = client.get(address).data
    writer = SqliteWriter(StoreSettings(path=store_path))
    writer.commit(Batch.of(readings=[Reading(Series("desk", "humidity"), (T0_MS + 1) * 10**6, 1.0)]))
    writer.close()
    assert client.get(address).data == first


def test_a_cache_that_is_away_costs_no_answer(make_app: Callable[..., Flask]) -> None:
    client = make_app(redis_url="redis://127.0.0.1:1/0").test_client()
    assert client.get(f"/api/v1/chart-data/desk:humidity?{SPAN}").status_code == 200


def test_an_export_is_every_reading_of_all_its_series(client: FlaskClient) -> None:
    answer = client.get(
        f"/api/v1/export.csv?device=desk&metric=temperature&device=hall/door&metric=open&{SPAN}"
    )
    lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="sensorline_2-series_2025')
    assert len(lines) == 601
    assert lines[0]["time"] == "2025-10-09T08:53:20.000000000Z"
    assert (lines[0]["epoch_ms"], lines[0]["value"], lines[0]["unit"]) == (str(T0_MS), "20.01", "°C")
    assert (lines[-1]["device"], lines[-1]["epoch_ms"]) == ("hall/door", f"{T0_MS}.000005")


def test_an_export_of_nothing_is_a_header(client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/export.csv?device=no&metric=such&{SPAN}")
    assert answer.data == b"time,epoch_ms,device,metric,value,unit\r\n"


def test_exports_at_the_same_time_are_bounded_and_give_their_place_back(
    make_app: Callable[..., Flask],
) -> None:
    client = make_app(max_exports=1).test_client()
    address = f"/api/v1/export.csv?device=desk&metric=temperature&{SPAN}"
    open_answer = client.get(address, buffered=False)
    assert client.get(address).status_code == 503
    open_answer.close()
    again = client.get(address)
    assert again.status_code == 200
    again.close()


def test_health_tells_broker_and_store_apart(
    make_app: Callable[..., Flask], link: Any, tmp_path: Path
) -> None:
    client = make_app().test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.get_json()["checks"]
    assert (checks["broker"]["ok"], checks["store"]["ok"]) == (False, True)
    link.connect()
    assert client.get("/readyz").get_json()["status"] == "ready"
    without_store = make_app(path=tmp_path / "none.db").test_client().get("/readyz")
    assert without_store.get_json()["checks"]["store"]["ok"] is False


def test_metrics_count_requests_by_endpoint(client: FlaskClient) -> None:
    client.get("/api/v1/latest")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'sensorline_web_request_seconds_count{endpoint="api.latest"} 1.0' in text
    assert "sensorline_web_clients 0.0" in text


def test_the_page_is_answered_with_the_broker_to_publish_to(client: FlaskClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert b"1883" in answer.data


def test_a_static_file_is_kept_for_a_year_only_under_its_own_version(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    client = app.test_client()
    with app.test_request_context():
        address = app.url_for("static", filename="js/format.js")
    assert "?v=" in address
    with client.get(address) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
    with client.get("/static/js/format.js?v=other") as plain:
        assert plain.headers["Cache-Control"] == "no-cache"
        tag = plain.headers["ETag"]
    with client.get("/static/js/format.js", headers={"If-None-Match": tag}) as again:
        assert again.status_code == 304
