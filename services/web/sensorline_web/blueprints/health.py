"""For those who watch over the service: is it alive, is it ready, what does it count. Nothing here is secret."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sensorline.errors import StoreError
from sensorline_web.answers import encode, json_answer
from sensorline_web.problems import problem
from sensorline_web.services import services

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Response:
    """Answer 200 while the process can answer at all; the broker and the store do not matter."""
    return json_answer(encode({"status": "ok"}))


@health.get("/readyz")
def readyz() -> Response:
    """Answer 200 when broker and store can be reached, else 503; `checks` says which of them."""
    parts = services()
    checks = {"broker": _check_broker(parts.feed.is_connected), "store": _check_store()}
    if all(check["ok"] for check in checks.values()):
        return json_answer(encode({"status": "ready", "checks": checks}))
    bad = ", ".join(name for name, check in checks.items() if not check["ok"])
    return problem(503, "Not ready", f"not reachable: {bad}", checks=checks)


def _check_broker(is_connected: bool) -> dict[str, object]:
    return {"ok": is_connected, "detail": "connected" if is_connected else "no connection; trying again"}


def _check_store() -> dict[str, object]:
    try:
        with services().readers.borrow() as reader:
            reader.devices()
    except StoreError:
        return {"ok": False, "detail": "cannot be read; see the log"}
    return {"ok": True, "detail": "readable"}


@health.get("/metrics")
def metrics() -> Response:
    """Answer the metrics in Prometheus' text format."""
    return Response(generate_latest(services().metrics.registry), content_type=CONTENT_TYPE_LATEST)
