"""JSON answers, and answers that are not sent again when the browser has them (RFC 9110, sections 8.8.3 and 13.1.2)."""

import gzip
import hashlib
from typing import Any

import msgspec
from flask import Response, request

GZIP_FROM_BYTES = 1_400
"""A shorter answer fits into one packet as it is."""

GZIP_LEVEL = 1
"""Columns become a fifth of their size in 5 ms a megabyte; level 6 takes five times as long for another quarter."""

_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """Return JSON; NaN and infinities become null."""
    return _encode(value)


def json_answer(body: bytes) -> Response:
    """Return a JSON answer that is never kept without asking again; compressed where the client takes gzip and it is worth it."""
    is_compressed = len(body) >= GZIP_FROM_BYTES and request.accept_encodings.quality("gzip") > 0
    if is_compressed:
        body = gzip.compress(body, GZIP_LEVEL, mtime=0)
    response = Response(body, content_type="application/json")
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept-Encoding")
    return response


def tag_of(*parts: bytes) -> str:
    """Return an entity tag for what the parts say."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def tagged_answer(body: bytes, tag: str) -> Response:
    """Return a JSON answer with a weak ETag, or 304 without a body when the request already has that tag.

    The tag is weak: it says that the data is the same, while `now` in the body, and its compression, may differ.
    """
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
        response.headers["Cache-Control"] = "no-cache"
        response.vary.add("Accept-Encoding")
    else:
        response = json_answer(body)
    response.set_etag(tag, weak=True)
    return response
