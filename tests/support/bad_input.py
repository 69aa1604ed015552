"""What a publisher can do wrong, case by case, with what has to become of it.

The numbers are those of a catalogue: 1–30 JSON and bytes, 31–40 names and injection, 41–52 MQTT. A case ends as dead letters
(`reason`), as the documented readings (`values`), or as nothing at all where the broker does not pass it on.
"""

import gzip
import json
import time
from typing import NamedTuple

GOOD_DEVICE = "good"


class Case(NamedTuple):
    """One message. `values` are (device, metric, value); the topic's device is `case<number>` unless it is the point."""

    id: str
    topic: str
    payload: bytes
    reason: str = ""
    values: tuple[tuple[str, str, float], ...] = ()


_PAYLOAD_MAX = 1 << 20
_NOW_MS = int(time.time() * 1000)
_NOT_A_NUMBER = "value_not_a_number"
_OUT_OF_RANGE = "number_out_of_range"


def _value(text: str | bytes) -> bytes:
    return b'{"value":' + (text.encode() if isinstance(text, str) else text) + b"}"


def _ts(text: str) -> bytes:
    return f'{{"value":1,"ts":{text}}}'.encode()


_REJECTED_PAYLOADS: tuple[tuple[str, bytes, str], ...] = (
    ("01-empty", b"", "payload_empty"),
    ("01-blank", b"  \n", "payload_empty"),
    ("02-null", b"null", "value_null"),
    ("02-empty-array", b"[]", "no_reading"),
    ("02-empty-object", b"{}", "no_number"),
    ("02-text", b'"x"', _NOT_A_NUMBER),
    ("02-array-of-numbers", b"[1,2]", "item_not_an_object"),
    ("03-truncated", b'{"value":21.5', "payload_truncated"),
    ("03-truncated-array", b'[{"value":21.5},', "payload_truncated"),
    ("04-trailing-garbage", b'{"value":21.5}xyz', "payload_not_json"),
    ("04-two-numbers", b"21.5 22.5", _NOT_A_NUMBER),
    ("05-nan", b"NaN", "number_not_finite"),
    ("05-nan-value", _value("NaN"), "number_not_finite"),
    ("05-nan-text", _value('"nan"'), "number_not_finite"),
    ("06-infinity", b"Infinity", "number_not_finite"),
    ("06-minus-infinity", _value("-Infinity"), "number_not_finite"),
    ("07-1e400", b"1e400", _OUT_OF_RANGE),
    ("07-1e400-value", _value("1e400"), _OUT_OF_RANGE),
    ("08-5000-digits", b"9" * 5_000, _OUT_OF_RANGE),
    ("08-5000-digits-value", _value("9" * 5_000), _OUT_OF_RANGE),
    ("09-400-digits", b"9" * 400, _OUT_OF_RANGE),
    ("12-text-with-unit", b'"21.5 C"', _NOT_A_NUMBER),
    ("13-underscore", b'"1_0"', _NOT_A_NUMBER),
    ("13-bare-underscore", b"1_0", _NOT_A_NUMBER),
    ("13-blanks-in-text", b'" 12\\n"', _NOT_A_NUMBER),
    ("13-arabic-digits", '"\u0661\u0662"'.encode(), _NOT_A_NUMBER),
    ("16-nested", b"[" * 100_000, "payload_too_deep"),
    ("17-lone-surrogate-name", b'{"\\ud800":1}', "payload_not_json"),
    ("17-lone-surrogate-value", _value('"\\ud800"'), "payload_not_json"),
    ("18-nul-in-name", b'{"a\\u0000b":1}', "name_unprintable"),
    ("20-utf-16", "21.5".encode("utf-16"), "payload_not_utf8"),
    ("21-latin-1", b'{"value":21.5,"unit":"\xb0C"}', "payload_not_utf8"),
    ("22-gzip", gzip.compress(b"21.5", mtime=0), "payload_compressed"),
    ("23-raw-newline", b'{"value":"2\n1"}', "payload_not_json"),
    ("24-1-mb-text", json.dumps("x" * 1_000_000).encode(), _NOT_A_NUMBER),
    ("24-100k-keys", json.dumps({f"k{n}": n for n in range(100_000)}).encode(), "payload_too_large"),
    ("24-20k-keys", json.dumps({f"k{n}": n for n in range(20_000)}).encode(), "too_many_readings"),
    ("26-ts-number-as-text", _ts('"1737000000123"'), "time_invalid"),
    ("26-ts-without-zone", _ts('"2026-01-15T10:20:30"'), "time_without_zone"),
    ("26-ts-true", _ts("true"), "time_invalid"),
    ("27-ts-0", _ts("0"), "time_before_2000"),
    ("27-ts-negative", _ts("-5"), "time_before_2000"),
    ("27-ts-year-9999", _ts('"9999-12-31T23:59:59Z"'), "time_in_future"),
    ("27-ts-2-to-63", _ts(str(2**63)), "time_in_future"),
    ("27-ts-huge", _ts("1e300"), "time_in_future"),
    ("27-ts-tomorrow", _ts(str(_NOW_MS + 86_400_000)), "time_in_future"),
    ("27-ts-older-than-kept", _ts('"2001-01-01T00:00:00Z"'), "time_too_old"),
    ("29-seq-above-2-to-53", b'{"value":1,"seq":9007199254740993}', "seq_invalid"),
    ("29-seq-negative", b'{"value":1,"seq":-1}', "seq_invalid"),
    ("39-empty-name", b'{"":1}', "name_empty"),
    ("33-comment", b'{"#comment":1}', "name_wildcard"),
    ("31-newline-in-name", b'{"x value=1\\nadmin,y":1}', "name_unprintable"),
    ("37-rtl-override", '{"a\u202eb":1}'.encode(), "name_unprintable"),
    ("37-zero-width", '{"a\u200bb":1}'.encode(), "name_unprintable"),
    ("38-crlf", b'{"a\\r\\nSet-Cookie: b":1}', "name_unprintable"),
    ("39-64-kb-name", json.dumps({"n" * 65_536: 1}).encode(), "name_too_long"),
    ("47-payload-above-limit", b'"' + b"1" * (_PAYLOAD_MAX - 1) + b'"', "payload_too_large"),
    ("47-payload-5-mb", b"1" * 5_000_000, "payload_too_large"),
    ("51-flip-to-text", _value('"broken"'), _NOT_A_NUMBER),
)

_ACCEPTED_PAYLOADS: tuple[tuple[str, bytes, dict[str, tuple[float, ...]]], ...] = (
    ("02-number", b"5", {"m": (5,)}),
    ("10-above-2-to-63", str(2**63 + 1025).encode(), {"m": (float(2**63 + 1025),)}),
    ("11-true", b"true", {"m": (1,)}),
    ("11-false-value", _value("false"), {"m": (0,)}),
    ("12-number-in-text", b'"21.5"', {"m": (21.5,)}),
    ("13-blanks-around", b" 12\n", {"m": (12,)}),
    ("14-minus-zero", b"-0.0", {"m": (0,)}),
    ("14-smallest", b"5e-324", {"m": (5e-324,)}),
    ("15-duplicate-keys", b'{"value":1,"value":2}', {"m": (2,)}),
    ("19-byte-order-mark", b"\xef\xbb\xbf21.5", {"m": (21.5,)}),
    ("25-no-ts", _value("3"), {"m": (3,)}),
    ("26-ts-float", _ts(f"{_NOW_MS / 1000}"), {"m": (1,)}),
    ("27-ts-in-seconds", _ts(str(_NOW_MS // 1000)), {"m": (1,)}),
    (
        "28-two-values-of-one-time",
        f'[{{"value":1,"ts":{_NOW_MS}}},{{"value":2,"ts":{_NOW_MS}}}]'.encode(),
        {"m": (1, 2)},
    ),
    (
        "29-seq-repeated-and-going-back",
        b'[{"value":1,"seq":5},{"value":2,"seq":5},{"value":3,"seq":4}]',
        {"m": (1, 2, 3)},
    ),
    ("30-other-device-in-payload", b'{"device":"other","value":1}', {"m": (1,)}),
    ("47-payload-at-limit", _value("1") + b" " * (_PAYLOAD_MAX - 11), {"m": (1,)}),
    ("51-flip-int-float", b'[{"value":1},{"value":1.5},{"value":"2"}]', {"m": (1, 1.5, 2)}),
    ("52-below-absolute-zero", b"-300", {"m": (-300,)}),
)

_NAMES = (
    ("31-separators", 'a,b=c d"e\\f'),
    ("32-trailing-backslash", "a\\"),
    ("33-time", "time"),
    ("33-field", "_field"),
    ("33-measurement", "_measurement"),
    ("34-drop", '"; drop'),
    ("34-flux", '") |> drop()'),
    ("35-script", "<script>alert(1)<script>"),
    ("35-image", "<img onerror=alert(1)>"),
    ("35-javascript", "javascript:alert(1)"),
    ("36-proto", "__proto__"),
    ("36-constructor", "constructor"),
    ("37-emoji", "🌡"),
    ("38-percent-dots", "%2e%2e"),
    ("39-128-characters", "n" * 128),
)

_TOPICS: tuple[Case, ...] = (
    Case("38-dots", "sensors/../../etc/passwd", b"1", values=(("../../etc", "passwd", 1),)),
    Case("39-long-metric", "sensors/case39/" + "n" * 129, b"1", "name_too_long"),
    Case("39-60-kb-topic", "sensors/case39/" + "n" * 60_000, b"1", "name_too_long"),
    Case("41-only-the-root", "sensors", b"1", "topic_unknown"),
    Case("41-no-metric", "sensors/case41", b"1", "topic_without_metric"),
    Case("41-empty-level", "sensors//t", b"1", "topic_level_empty"),
    Case("41-trailing-slash", "sensors/case41/", b"1", "topic_level_empty"),
    Case("41-190-levels", "sensors/" + "/".join("a" * 190), b"1", "name_too_long"),
    Case(
        "41-60-levels",
        "sensors/" + "/".join("a" * 60),
        b"1",
        values=(("/".join("a" * 59), "a", 1),),
    ),
    Case("41-reserved-device", "sensors/$case41/t", b"1", "name_reserved"),
    Case("41-reserved-metric", "sensors/case41/$other", b"1", "name_reserved"),
    Case("41-status-without-meaning", "sensors/case41/$status", b"maybe", "status_unknown"),
    Case("41-meta-without-meaning", "sensors/case41/$meta", b"[1]", "meta_invalid"),
    Case("37-rtl-override-in-topic", "sensors/case37\u202e/t", b"1", "name_unprintable"),
    Case("37-twin-nfc", "sensors/case37/caf\u00e9", b"1", values=(("case37", "caf\u00e9", 1),)),
    Case("37-twin-nfd", "sensors/case37/cafe\u0301", b"2", values=(("case37", "caf\u00e9", 2),)),
)


def _cases() -> list[Case]:
    out = [
        Case(id_, f"sensors/case{id_[:2]}/{id_}", payload, reason)
        for id_, payload, reason in _REJECTED_PAYLOADS
    ]
    for id_, payload, found in _ACCEPTED_PAYLOADS:
        device = f"case{id_[:2]}"
        values = tuple((device, id_, float(value)) for value in found["m"])
        out.append(Case(id_, f"sensors/{device}/{id_}", payload, values=values))
    for id_, name in _NAMES:
        device = f"case{id_}"
        body = json.dumps({name: 1}).encode()
        out.append(Case(f"{id_}-in-object", f"sensors/{device}", body, values=((device, name, 1.0),)))
        out.append(Case(f"{id_}-as-device", f"sensors/{name}/{device}", b"1", values=((name, device, 1.0),)))
    return out + list(_TOPICS)


CASES = _cases()
