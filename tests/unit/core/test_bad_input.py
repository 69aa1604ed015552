"""Input that has broken other systems: each is a reading by the rules or a reject with its reason, never anything else.

The numbers are those of the list of bad input that the rules were made from: 1–30 payloads, 31–40 names.
"""

import gzip

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensorline.decoders import Decoded, build_decoders
from sensorline.decoders.values import parse_payload
from sensorline.errors import Rejected

NOW_NS = 1_790_000_000_000_000_000
TOPIC = b"sensors/desk/temperature"
OBJECT = b"sensors/desk"

DIGITS = b"9" * 400
MANY_KEYS = b"{" + b",".join(b'"%x":1' % i for i in range(80_000)) + b"}"
BIG_TEXT = b'"' + b"a" * (1 << 20) + b'"'

REJECTED = [
    ("1 empty", TOPIC, b"", "payload_empty"),
    ("1 blank", TOPIC, b" \r\n", "payload_empty"),
    ("2 null", TOPIC, b"null", "value_null"),
    ("2 empty array", TOPIC, b"[]", "no_reading"),
    ("2 text", TOPIC, b'"x"', "value_not_a_number"),
    ("2 number for a device", OBJECT, b"5", "topic_without_metric"),
    ("2 null for a device", OBJECT, b"null", "topic_without_metric"),
    ("2 empty object", OBJECT, b"{}", "no_number"),
    ("2 array of numbers", OBJECT, b"[5]", "item_not_an_object"),
    ("3 truncated object", TOPIC, b'{"value":21.5', "payload_truncated"),
    ("3 truncated array", TOPIC, b'[{"value":21.5},', "payload_truncated"),
    ("3 truncated text", TOPIC, b'{"value":21.5,"unit":"', "payload_truncated"),
    ("4 garbage behind an object", TOPIC, b'{"value":21.5} x', "payload_not_json"),
    ("4 one brace too many", TOPIC, b'{"value":21.5}}', "payload_not_json"),
    ("4 garbage behind a number", TOPIC, b"21.5 C", "value_not_a_number"),
    ("5 NaN", TOPIC, b"NaN", "number_not_finite"),
    ("5 NaN in an object", TOPIC, b'{"value":NaN}', "number_not_finite"),
    ("5 NaN as text", TOPIC, b'{"value":"nan"}', "number_not_finite"),
    ("6 Infinity", TOPIC, b"Infinity", "number_not_finite"),
    ("6 -inf", TOPIC, b"-inf", "number_not_finite"),
    ("6 -Infinity in an object", TOPIC, b'{"value":-Infinity}', "number_not_finite"),
    ("7 1e400", TOPIC, b"1e400", "number_out_of_range"),
    ("7 1e400 in an object", TOPIC, b'{"value":1e400}', "number_out_of_range"),
    ("7 1e400 as text", TOPIC, b'{"value":"1e400"}', "number_out_of_range"),
    ("8 5,000 digits", TOPIC, b"9" * 5_000, "number_out_of_range"),
    ("8 5,000 digits in an object", TOPIC, b'{"value":' + b"9" * 5_000 + b"}", "number_out_of_range"),
    ("9 400 digits", TOPIC, DIGITS, "number_out_of_range"),
    ("9 400 digits in an object", TOPIC, b'{"value":' + DIGITS + b"}", "number_out_of_range"),
    ("13 underscore", TOPIC, b"1_0", "value_not_a_number"),
    ("13 underscore as text", TOPIC, b'"1_0"', "value_not_a_number"),
    ("13 blank in text", TOPIC, b'" 12\\n"', "value_not_a_number"),
    ("13 Arabic digits", TOPIC, "٢١".encode(), "value_not_a_number"),
    ("13 Arabic digits as text", TOPIC, '"٢١"'.encode(), "value_not_a_number"),
    ("13 hexadecimal", TOPIC, b"0x10", "value_not_a_number"),
    ("13 plus", TOPIC, b"+5", "value_not_a_number"),
    ("13 decimal comma", TOPIC, b"21,5", "value_not_a_number"),
    ("16 100,000 brackets", TOPIC, b"[" * 100_000, "payload_too_deep"),
    ("16 100,000 objects", OBJECT, b'{"a":' * 100_000, "payload_too_deep"),
    ("17 lone surrogate as value", TOPIC, rb'{"value":"\ud800"}', "payload_not_json"),
    ("17 lone surrogate as unit", TOPIC, rb'{"value":1,"unit":"\uDfff"}', "payload_not_json"),
    ("17 lone surrogate alone", TOPIC, rb'"\ud800"', "value_not_a_number"),
    ("17 lone surrogate as name", OBJECT, rb'{"\ud800":1}', "payload_not_json"),
    ("18 NUL in a name", OBJECT, rb'{"a\u0000b":1}', "name_unprintable"),
    ("19 byte order marks only", TOPIC, b"\xef\xbb\xbf" * 300_000, "payload_empty"),
    ("20 UTF-16 with a mark", TOPIC, "21.5".encode("utf-16"), "payload_not_utf8"),
    ("20 UTF-16 without", TOPIC, "21.5".encode("utf-16-le"), "value_not_a_number"),
    ("20 UTF-16 object", TOPIC, '{"value":1}'.encode("utf-16-le"), "payload_not_json"),
    ("21 Latin-1", TOPIC, b"21.5 \xb0C", "payload_not_utf8"),
    ("21 Latin-1 in a unit", TOPIC, b'{"value":1,"unit":"\xb0C"}', "payload_not_utf8"),
    ("22 gzip", TOPIC, gzip.compress(b"21.5"), "payload_compressed"),
    ("23 raw newline in text", TOPIC, b'{"value":1,"unit":"a\nb"}', "payload_not_json"),
    ("24 1 MB of text", TOPIC, BIG_TEXT, "payload_too_large"),
    ("24 1 MB of text as value", TOPIC, BIG_TEXT[:900_000] + b'"', "value_not_a_number"),
    ("24 100,000 keys", OBJECT, MANY_KEYS, "too_many_readings"),
    ("26 ts is a number as text", TOPIC, b'{"value":1,"ts":"1789999999"}', "time_invalid"),
    ("26 ts without a zone", TOPIC, b'{"value":1,"ts":"2026-01-31T12:00:00"}', "time_without_zone"),
    ("26 ts is true", TOPIC, b'{"value":1,"ts":true}', "time_invalid"),
    ("27 ts 0", TOPIC, b'{"value":1,"ts":0}', "time_before_2000"),
    ("27 ts negative", TOPIC, b'{"value":1,"ts":-1789999999}', "time_before_2000"),
    ("27 uptime for a time", TOPIC, b'{"value":1,"ts":86400}', "time_before_2000"),
    ("27 year 9999", TOPIC, b'{"value":1,"ts":"9999-12-31T23:59:59Z"}', "time_in_future"),
    ("27 2^63", TOPIC, b'{"value":1,"ts":9223372036854775808}', "time_in_future"),
    ("27 1e308", TOPIC, b'{"value":1,"ts":1e308}', "time_in_future"),
    ("27 400 digits", TOPIC, b'{"value":1,"ts":' + DIGITS + b"}", "time_in_future"),
    ("27 minus 400 digits", TOPIC, b'{"value":1,"ts":-' + DIGITS + b"}", "time_before_2000"),
    ("27 tomorrow", TOPIC, b'{"value":1,"ts":1790086400}', "time_in_future"),
    ("29 seq 2^53+1", TOPIC, b'{"value":1,"seq":9007199254740993}', "seq_invalid"),
    ("29 seq -1", TOPIC, b'{"value":1,"seq":-1}', "seq_invalid"),
    ("29 seq 1.0", TOPIC, b'{"value":1,"seq":1.0}', "seq_invalid"),
    ("29 seq true", TOPIC, b'{"value":1,"seq":true}', "seq_invalid"),
    ("29 seq as text", TOPIC, b'{"value":1,"seq":"5"}', "seq_invalid"),
    ("29 seq of 400 digits", TOPIC, b'{"value":1,"seq":' + DIGITS + b"}", "seq_invalid"),
    ("30 device in the payload", OBJECT, b'{"device":"other"}', "no_number"),
    ("31 newline in a name", OBJECT, rb'{"x value=1\nadmin,a":1}', "name_unprintable"),
    ("33 a comment as name", OBJECT, b'{"#comment":1}', "name_wildcard"),
    ("37 right-to-left override", OBJECT, '{"a\u202eb":1}'.encode(), "name_unprintable"),
    ("37 zero-width space in a topic", "sensors/a\u200bb/t".encode(), b"1", "name_unprintable"),
    ("38 header injection", rb"sensors/desk/a" + b"\r\nX: y", b"1", "name_unprintable"),
    ("39 64 KB name", b"sensors/" + b"a" * 65_000, b'{"t":1}', "name_too_long"),
    ("39 64 KB key", OBJECT, b'{"' + b"a" * 65_000 + b'":1}', "name_too_long"),
    ("39 empty key", OBJECT, b'{"":1}', "name_empty"),
    ("41 empty level", b"sensors//t", b"1", "topic_level_empty"),
    ("43 U+D800 in a topic", b"sensors/\xed\xa0\x80/t", b"1", "topic_not_utf8"),
]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"), [c[1:] for c in REJECTED], ids=[c[0] for c in REJECTED]
)
def test_bad_input_is_rejected_with_its_reason(topic: bytes, payload: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        build_decoders().decode(topic, payload, False, NOW_NS)
    assert caught.value.reason == reason
    assert caught.value.detail


READ = [
    ("2 number", TOPIC, b"5", {"temperature": 5.0}),
    ("10 above 2^63", TOPIC, b"9223372036854775809", {"temperature": 9223372036854775808.0}),
    ("10 above 2^64", TOPIC, b'{"value":36893488147419103232}', {"temperature": 2.0**65}),
    ("11 true", TOPIC, b'{"value":true}', {"temperature": 1.0}),
    ("11 false", OBJECT, b'{"door":false}', {"door": 0.0}),
    ("12 number as text", TOPIC, b'{"value":"21.5"}', {"temperature": 21.5}),
    ("12 number as text with an exponent", TOPIC, b'"-2.5E-3"', {"temperature": -0.0025}),
    ("13 blanks around", TOPIC, b" 12\n", {"temperature": 12.0}),
    ("14 -0.0", TOPIC, b"-0.0", {"temperature": 0.0}),
    ("14 the smallest", TOPIC, b"5e-324", {"temperature": 5e-324}),
    ("14 smaller than the smallest", TOPIC, b"1e-400", {"temperature": 0.0}),
    ("14 the largest", TOPIC, b"1.7976931348623157e308", {"temperature": 1.7976931348623157e308}),
    ("15 a key twice", TOPIC, b'{"value":1,"value":2}', {"temperature": 2.0}),
    ("15 a metric twice", OBJECT, b'{"a":1,"a":2}', {"a": 2.0}),
    ("19 byte order mark", TOPIC, b"\xef\xbb\xbf21.5", {"temperature": 21.5}),
    ("19 byte order mark before an object", OBJECT, b'\xef\xbb\xbf{"a":1}', {"a": 1.0}),
    ("25 no ts", TOPIC, b'{"value":1}', {"temperature": 1.0}),
    ("25 ts null", TOPIC, b'{"value":1,"ts":null}', {"temperature": 1.0}),
    ("26 ts with a zone", TOPIC, b'{"value":1,"ts":"2026-01-31T12:00:00+01:00"}', {"temperature": 1.0}),
    ("29 seq 2^53", TOPIC, b'{"value":1,"seq":9007199254740992}', {"temperature": 1.0}),
    ("30 device in the payload", OBJECT, b'{"device":"other","t":1}', {"t": 1.0}),
    ("31 line protocol signs", OBJECT, rb'{"a,b=c \"d":1}', {'a,b=c "d': 1.0}),
    ("32 backslash at the end", OBJECT, rb'{"a\\":1}', {"a\\": 1.0}),
    (
        "33 names of others",
        OBJECT,
        b'{"time":1,"_field":2,"_measurement":3}',
        {"time": 1.0, "_field": 2.0, "_measurement": 3.0},
    ),
    ("34 SQL", OBJECT, b'{"a\'; DROP TABLE reading; --":1}', {"a'; DROP TABLE reading; --": 1.0}),
    ("35 HTML", OBJECT, b'{"<img src=x onerror=alert(1)>":1}', {"<img src=x onerror=alert(1)>": 1.0}),
    ("36 __proto__", OBJECT, b'{"__proto__":1,"constructor":2}', {"__proto__": 1.0, "constructor": 2.0}),
    ("37 emoji", OBJECT, '{"🌡":1}'.encode(), {"🌡": 1.0}),
    ("37 normal form D", OBJECT, '{"cafe\u0301":1}'.encode(), {"caf\u00e9": 1.0}),
    ("38 a path", OBJECT, b'{"..":1,"%2e%2e":2}', {"..": 1.0, "%2e%2e": 2.0}),
    ("51 type flip", OBJECT, b'{"a":1,"b":1.5,"c":"1"}', {"a": 1.0, "b": 1.5, "c": 1.0}),
    ("52 below absolute zero", TOPIC, b"-300", {"temperature": -300.0}),
]


@pytest.mark.parametrize(("topic", "payload", "values"), [c[1:] for c in READ], ids=[c[0] for c in READ])
def test_odd_input_that_the_rules_allow_is_read(
    topic: bytes, payload: bytes, values: dict[str, float]
) -> None:
    decoded = build_decoders().decode(topic, payload, False, NOW_NS)
    assert {r.series.metric: r.value for r in decoded.readings} == values
    assert decoded.rejects == []


@pytest.mark.parametrize("member", ["unit", "seq", "ts", "value"])
def test_nesting_as_deep_as_the_parser_goes_is_rejected_in_order(member: str) -> None:
    reasons = set()
    for depth in range(1, 1_100, 1):
        payload = b'{"value":1,"%s":%s%s}' % (member.encode(), b"[" * depth, b"]" * depth)
        with pytest.raises(Rejected) as caught:
            build_decoders().decode(TOPIC, payload, False, NOW_NS)
        reasons.add(caught.value.reason)
    assert len(reasons) == 2
    assert "payload_too_deep" in reasons


KNOWN_REASONS = {c[3] for c in REJECTED} | {
    "topic_unknown",
    "name_reserved",
    "name_slash",
    "status_unknown",
    "meta_invalid",
    "unit_invalid",
    "time_too_old",
}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "ts", "seq", "unit", "units", "interval_s", "a", "b"])
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    if draw(st.booleans()):
        return draw(st.binary(max_size=60))
    raw = msgspec.json.encode(draw(_JSON))
    cut = draw(st.integers(0, len(raw)) | st.just(len(raw)))
    return raw[:cut] + draw(st.sampled_from([b"", b"", b"}", b"\xff", b"\x00"]))


_TOPICS = (
    st.binary(max_size=40)
    | st.sampled_from(
        [b"sensors/a/b", b"sensors/a", b"sensors/a/$meta", b"sensors/a/$status", b"sensors/a/b/c"]
    )
    | st.text(max_size=20).map(lambda t: f"sensors/{t}".encode(errors="replace"))
)


@given(_TOPICS, payloads(), st.booleans())
@example(b"sensors/a/$meta", b'{"interval_s":1' + b"0" * 400 + b"}", False)
@example(b"sensors/a/b", b"\xef\xbb\xbf" * 5_000, False)
def test_any_bytes_on_any_topic_are_decoded_or_rejected_with_a_known_reason(
    topic: bytes, payload: bytes, retained: bool
) -> None:
    decoded, why = None, None
    try:
        decoded = build_decoders().decode(topic, payload, retained, NOW_NS)
    except Rejected as exc:
        why = exc.reason
    if decoded is None:
        assert why in KNOWN_REASONS
        return
    assert isinstance(decoded, Decoded)
    assert {r.reason for r in decoded.rejects} <= KNOWN_REASONS
    assert decoded.readings or decoded.state or decoded.facts or decoded.ignored
    for reading in [*decoded.readings, *decoded.state]:
        assert abs(reading.value) < float("inf")
        assert 0 < reading.time_ns <= NOW_NS + 300 * 10**9
        assert reading.series.device.isprintable()
        assert reading.series.metric.isprintable()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_exactly(value: float) -> None:
    for payload in (msgspec.json.encode(value), msgspec.json.encode(repr(value))):
        decoded = build_decoders().decode(TOPIC, payload, False, NOW_NS)
        assert decoded.readings[0].value == value


@given(_JSON)
def test_json_comes_back_as_the_values_it_says(value: object) -> None:
    payload = msgspec.json.encode(value)
    assert parse_payload(payload) == msgspec.json.decode(payload)
