"""One shape for every error: problem+json (RFC 9457), with words that help and nothing of our inside."""

from typing import Any

import msgspec
import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sensorline.errors import QueryError, StoreUnavailable

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 3
DETAIL_MAX_CHARS = 500

_WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is too large.",
    500: "Something went wrong here. The log of the web service says what.",
}


class NotFound(Exception):
    """What was asked for by name does not exist; the message says what."""


class Busy(Exception):
    """Too much of this at once; the message says what, and trying again later helps."""


def problem(status: int, title: str, detail: str, *, parameter: str | None = None, **more: Any) -> Response:
    """Return a problem as an answer. `parameter` names what the caller has to change; `more` are extension members."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    body["detail"] = detail[:DETAIL_MAX_CHARS]
    if parameter is not None:
        body["parameter"] = parameter
    response = Response(msgspec.json.encode(body | more), status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def register_problems(app: Flask) -> None:
    """Turn whatever is raised while answering a request into a problem."""
    app.register_error_handler(QueryError, _query_error)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(Busy, _busy)
    app.register_error_handler(StoreUnavailable, _store_unavailable)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _query_error(exc: QueryError) -> Response:
    return problem(400, "Bad request", exc.detail, parameter=exc.parameter)


def _not_found(exc: NotFound) -> Response:
    return problem(404, "Not found", str(exc))


def _busy(exc: Busy) -> Response:
    return problem(503, "Busy", str(exc))


def _store_unavailable(exc: StoreUnavailable) -> Response:
    # The store's own words name paths of this machine: they belong into the log.
    log.warning("store_unavailable", detail=str(exc), endpoint=request.endpoint)
    return problem(503, "Store unavailable", "The store cannot be read at the moment; live values go on.")


def _http_error(exc: HTTPException) -> Any:
    if exc.code is None or exc.code < 400:
        return exc
    response = problem(exc.code, exc.name, _WORDS.get(exc.code) or exc.description or exc.name)
    for name, value in exc.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _unexpected(exc: Exception) -> Response:
    log.error("request_failed", endpoint=request.endpoint, method=request.method, exc_info=exc)
    return problem(500, "Internal server error", _WORDS[500])
