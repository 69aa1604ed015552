"""What a supervisor asks of ingest, and what ingest does when it can no longer work."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import msgspec
import pytest

from sensorline.errors import StartupError
from sensorline_ingest import watchdog
from sensorline_ingest.health import HealthServer
from sensorline_ingest.metrics import IngestMetrics
from sensorline_ingest.watchdog import EXIT_CODE, Watchdog

CHECKS: dict[str, str] = {}


@pytest.fixture
def server() -> Iterator[HealthServer]:
    CHECKS.clear()
    metrics = IngestMetrics()
    metrics.stored.inc(5)
    made = HealthServer("127.0.0.1", 0, metrics.registry, lambda: dict(CHECKS))
    yield made
    made.stop()


def get(server: HealthServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


def test_a_living_process_says_so_whatever_is_wrong(server: HealthServer) -> None:
    CHECKS["broker"] = "not connected yet"
    assert get(server, "/healthz") == (200, b"ok\n")


def test_it_is_ready_while_every_check_is_ok_and_says_which_is_not(server: HealthServer) -> None:
    CHECKS.update(broker="ok", store="ok")
    assert get(server, "/readyz") == (200, b'{"broker":"ok","store":"ok"}')
    CHECKS["store"] = "cannot write to a.db: disk is full"
    status, body = get(server, "/readyz")
    assert status == 503
    assert msgspec.json.decode(body) == CHECKS


def test_metrics_are_in_the_prometheus_format(server: HealthServer) -> None:
    status, body = get(server, "/metrics")
    assert status == 200
    assert b"sensorline_ingest_readings_stored_total 5.0" in body
    assert b"_created" not in body


def test_anything_else_is_not_found(server: HealthServer) -> None:
    assert get(server, "/") == get(server, "/../etc/passwd") == (404, b"not found\n")


def test_a_taken_port_is_said_in_one_line(server: HealthServer) -> None:
    with pytest.raises(StartupError, match=f"INGEST_HTTP_PORT={server.port}: .*choose another port, or 0"):
        HealthServer("127.0.0.1", server.port, IngestMetrics().registry, dict)


def test_a_stopped_server_has_freed_its_port() -> None:
    first = HealthServer("127.0.0.1", 0, IngestMetrics().registry, dict)
    first.stop()
    HealthServer("127.0.0.1", first.port, IngestMetrics().registry, dict).stop()


def watched(problem: str | None) -> tuple[Watchdog, threading.Event, list[int]]:
    codes: list[int] = []
    ended = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    return Watchdog(lambda: problem, end), ended, codes


def test_a_dead_session_ends_the_process_once() -> None:
    dog, ended, codes = watched("no canary came back for 31 s")
    dog.start()
    assert ended.wait(10), "the watchdog did not look"
    dog.stop()
    assert codes == [EXIT_CODE]


def test_a_silent_worker_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "WORKER_TIMEOUT_S", 0.0)
    dog, ended, codes = watched(None)
    dog.start()
    assert ended.wait(10), "the watchdog did not look"
    dog.stop()
    assert codes == [EXIT_CODE]


def test_a_working_worker_is_left_alone() -> None:
    dog, ended, codes = watched(None)
    dog.start()
    dog.pulse()
    assert not ended.wait(1.2)
    dog.stop()
    assert codes == []
