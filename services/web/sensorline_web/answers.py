"""JSON answers, and answers that are not sent again when the browser has them (RFC 9110, sections 8.8.3 and 13.1.2)."""

import hashlib
from typing import Any

import msgspec
from flask import Response, request

_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """Return JSON; NaN and infinities become null."""
    return _encode(value)


def json_answer(body: bytes) -> Response:
    """Return a JSON answer that is never kept without asking again."""
    response = Response(body, content_type="application/json")
    response.headers["Cache-Control"] = "no-cache"
    return response


def tag_of(*parts: bytes) -> str:
    """Return an entity tag for what the parts say."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def tagged_answer(body: bytes, tag: str) -> Response:
    """Return a JSON answer with a weak ETag, or 304 without a body when the request already has that tag.

    The tag is weak: it says that the data is the same, while `now` in the body may differ.
    """
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
        response.headers["Cache-Control"] = "no-cache"
    else:
        response = json_answer(body)
    response.set_etag(tag, weak=True)
    return response
