"""A payload's bytes → JSON values → finite numbers, with a reason for everything that is none."""

import math
import re
from typing import Any

import msgspec

from sensorline.decoders.base import PAYLOAD_MAX_BYTES
from sensorline.errors import Rejected

_decode = msgspec.json.Decoder().decode

WORDS = {
    "true": 1.0,
    "on": 1.0,
    "open": 1.0,
    "online": 1.0,
    "false": 0.0,
    "off": 0.0,
    "closed": 0.0,
    "offline": 0.0,
}
"""Text that is a number: the two states that devices have words for."""

SEQ_MAX = 2**53
"""The last integer that every JSON reader keeps exactly (RFC 8259, section 6)."""

_TOO_LARGE = "a number is larger than a double can hold (about 1.8e308)"
_NOT_FINITE = {"nan", "inf", "infinity"}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
"""RFC 8259, section 6. Python's float() would also take `1_0`, ` 12` and Arabic digits."""


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped half of a character: without its other half the parser takes the text for truncated."""


def parse_payload(payload: bytes) -> Any:
    """Return a payload's JSON value; a bare word such as `on` or `open` comes back as text.

    Raises Rejected; see docs/message-contract.md for the reasons.
    """
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise Rejected(
            "payload_too_large", f"{len(payload):,} bytes; at most {PAYLOAD_MAX_BYTES:,} are allowed"
        )
    try:
        return _decode(payload)
    except RecursionError:
        raise Rejected("payload_too_deep", "the JSON is nested deeper than any reading needs") from None
    except UnicodeDecodeError as exc:
        raise Rejected("payload_not_utf8", f"a JSON string is not UTF-8 (byte {exc.start})") from exc
    except (msgspec.MsgspecError, ValueError) as exc:
        return _explain(payload, exc)


def _explain(payload: bytes, error: Exception) -> Any:
    """Return what the payload means after all, or raise Rejected with the best reason."""
    if not payload.strip():
        raise Rejected("payload_empty", "the payload is empty") from error
    if payload.startswith(b"\x1f\x8b"):
        raise Rejected("payload_compressed", "the payload is gzip; publish plain JSON or text") from error
    try:
        text = payload.decode()
    except UnicodeDecodeError as exc:
        raise Rejected("payload_not_utf8", f"byte {exc.start} of the payload is not UTF-8") from error
    if text.startswith("\ufeff"):
        # A byte order mark is what some editors and shells add; it says nothing about the value.
        return parse_payload(text.lstrip("\ufeff").encode())
    word = text.strip().lower()
    if word in WORDS:
        return word
    if word.lstrip("+-") in _NOT_FINITE:
        raise Rejected("number_not_finite", f"{text.strip()!r} is not a finite number") from error
    if "out of range" in str(error):
        raise Rejected("number_out_of_range", _TOO_LARGE) from error
    if text.lstrip()[:1] in "{[":
        if "truncated" in str(error) and not _SURROGATE.search(payload):
            raise Rejected("payload_truncated", "the JSON ends too early") from error
        if "NaN" in text or "Infinity" in text:
            raise Rejected("number_not_finite", "NaN and Infinity are not JSON and not readings") from error
        raise Rejected("payload_not_json", str(error)) from error
    shown = text.strip()
    shown = shown if len(shown) <= 40 else shown[:40] + "…"
    raise Rejected(
        "value_not_a_number", f"{shown!r} is neither a number nor one of {', '.join(WORDS)}"
    ) from error


def to_number(value: Any) -> float:
    """Return a JSON value as a finite float. Raises Rejected with a `value_…` or `number_…` reason."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            raise Rejected("number_out_of_range", _TOO_LARGE) from None
        if not math.isfinite(number):
            raise Rejected("number_not_finite", "NaN and infinities are no readings")
        return number
    if isinstance(value, str):
        word = value.strip().lower()
        if word in WORDS:
            return WORDS[word]
        if len(value) < 400 and _NUMBER.fullmatch(value):
            number = float(value)
            if math.isinf(number):
                raise Rejected("number_out_of_range", _TOO_LARGE)
            return number
        if word.lstrip("+-") in _NOT_FINITE:
            raise Rejected("number_not_finite", f"{value!r} is not a finite number")
        shown = value if len(value) <= 40 else value[:40] + "…"
        raise Rejected("value_not_a_number", f"{shown!r} is neither a number nor one of {', '.join(WORDS)}")
    if value is None:
        raise Rejected("value_null", "the value is null")
    kind = "an array" if isinstance(value, list) else "an object"
    raise Rejected("value_not_a_number", f"the value is {kind}; expected a number")


def to_seq(value: Any) -> int | None:
    """Return a sequence number (0 … 2^53), or None for an absent one. Raises Rejected (`seq_invalid`)."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEQ_MAX:
        raise Rejected("seq_invalid", f"seq is {str(value)[:40]!r}; expected an integer from 0 to 2^53")
    return value


def to_unit(value: Any) -> str | None:
    """Return a unit symbol of at most 32 printable characters, or None for an absent one. Raises Rejected."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 32 or not value.isprintable():
        raise Rejected(
            "unit_invalid", f"unit is {str(value)[:40]!r}; expected at most 32 printable characters"
        )
    return value
