"""Every error, from every address, has one shape: RFC 9457 problem+json, and gives nothing of the inside away."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sensorline_web.services import services

SERIES = "/api/v1/series?device=desk&metric=temperature"


def check_problem(answer: TestResponse, status: int, parameter: str | None = None) -> None:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    assert body.get("parameter") == parameter
    assert "Traceback" not in answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("/api/v1/series", "device"),
        ("/api/v1/export.csv", "device"),
        (f"{SERIES}&from=soon", "from"),
        (f"{SERIES}&to=2025-01-01", "to"),
        (f"{SERIES}&from=now&to=now-1h", "from"),
        (f"{SERIES}&max_points=0", "max_points"),
        ("/api/v1/series?device=desk&metric=a&metric=b", "metric"),
        ("/api/v1/series?device=%23&metric=a", "device"),
        ("/api/v1/export.csv?device=desk&metric=temperature&from=x", "from"),
        ("/api/v1/chart-data/desk:temperature?max_points=many", "max_points"),
        ("/api/v1/chart-data/desk:temperature?to=never", "to"),
    ],
)
def test_a_bad_parameter_is_named(client: FlaskClient, address: str, parameter: str) -> None:
    check_problem(client.get(address), 400, parameter)


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/nothing",
        "/api/v2/devices",
        "/favicon.nothing",
        "/static/none.js",
        "/static/../settings.py",
        "/api/v1/chart-data/none",
        "/api/v1/chart-data/no:such",
        "/api/chart-data/desk",
    ],
)
def test_what_does_not_exist_is_a_404(client: FlaskClient, address: str) -> None:
    check_problem(client.get(address), 404)


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1/devices",
        "/api/v1/latest",
        "/api/v1/series",
        "/api/v1/export.csv",
        "/api/v1/chart-data/x",
    ],
)
def test_another_method_is_a_405_that_names_the_allowed_ones(client: FlaskClient, address: str) -> None:
    answer = client.post(address)
    check_problem(answer, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "address", [SERIES, "/api/v1/export.csv?device=a&metric=b", "/api/v1/chart-data/desk:temperature"]
)
def test_a_store_that_is_away_is_a_503_without_its_path(
    make_app: Callable[..., Flask], tmp_path: Path, link: object, address: str
) -> None:
    app = make_app(path=tmp_path / "none.db")
    link.put("sensors/desk/temperature", "1")  # type: ignore[attr-defined]  # the fixture's FakeLink
    services(app).feed.step()
    answer = app.test_client().get(address)
    check_problem(answer, 503)
    assert answer.headers["Retry-After"]
    assert "none.db" not in answer.get_data(as_text=True)


def test_an_unexpected_error_says_nothing_of_itself(make_app: Callable[..., Flask]) -> None:
    app = make_app()

    @app.get("/api/v1/broken")
    def broken() -> str:
        raise RuntimeError("the secret is 42")

    answer = app.test_client().get("/api/v1/broken")
    check_problem(answer, 500)
    assert "42" not in answer.get_data(as_text=True)


def test_every_answer_carries_the_security_headers(client: FlaskClient) -> None:
    for address in ("/", "/api/v1/devices", "/none", "/static/js/format.js"):
        with client.get(address) as answer:
            headers = answer.headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("/api/v1/series?device=desk&max_point=10", "max_point"),
        ("/api/v1/series?device=desk&from=now-1h&from=now-2h", "from"),
        ("/api/v1/latest?device=desk", "device"),
        ("/api/v1/devices?x=1", "x"),
        ("/api/v1/export.csv?device=desk&max_points=5", "max_points"),
        ("/api/chart-data/desk:temperature?device=desk", "device"),
    ],
)
def test_a_parameter_that_nobody_obeys_is_told(client: FlaskClient, address: str, parameter: str) -> None:
    answer = client.get(address)
    check_problem(answer, 400, parameter)
