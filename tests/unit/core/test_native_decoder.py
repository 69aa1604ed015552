"""The native family: every payload form of the message contract."""

from typing import Any

import msgspec
import pytest

from sensorline.decoders import Decoded, TimeLimits, build_decoders
from sensorline.errors import Rejected
from sensorline.reading import DeviceFacts, Reading, Series, Status

NOW_NS = 1_790_000_000_000_000_000
DESK = Series("desk", "temperature")


def decode(topic: str, payload: str | bytes, retained: bool = False, **limits: float) -> Decoded:
    raw = payload.encode() if isinstance(payload, str) else payload
    return build_decoders(TimeLimits(**limits)).decode(topic.encode(), raw, retained, NOW_NS)


def reason(topic: str, payload: str | bytes) -> str:
    with pytest.raises(Rejected) as caught:
        decode(topic, payload)
    return caught.value.reason


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ("21.5", 21.5),
        (" -3\n", -3.0),
        ("true", 1.0),
        ("OFF", 0.0),
        ('"open"', 1.0),
        ('"21.5"', 21.5),
        ("closed", 0.0),
    ],
)
def test_a_bare_value_gets_the_received_time(payload: str, value: float) -> None:
    assert decode("sensors/desk/temperature", payload) == Decoded(
        readings=[Reading(DESK, NOW_NS, value, None, has_own_time=False)]
    )


def test_an_object_with_a_value_has_its_own_time_seq_and_unit() -> None:
    payload = '{"value":21.5,"ts":1789999999123,"unit":"°C","seq":17,"more":"is ignored"}'
    decoded = decode("sensors/desk/temperature", payload)
    assert decoded.readings == [Reading(DESK, 1_789_999_999_123_000_000, 21.5, 17, True)]
    assert decoded.facts == [DeviceFacts("desk", units={"temperature": "°C"})]
    assert decoded.rejects == []


def test_an_array_is_many_readings() -> None:
    decoded = decode(
        "sensors/desk/temperature",
        '[{"value":1,"ts":1789999999},{"value":2,"ts":1789999998,"seq":3},{"value":"on"}]',
    )
    assert [(r.time_ns, r.value, r.seq) for r in decoded.readings] == [
        (1_789_999_999 * 10**9, 1.0, None),
        (1_789_999_998 * 10**9, 2.0, 3),
        (NOW_NS, 1.0, None),
    ]


def test_a_bad_item_of_an_array_does_not_hold_up_the_good_ones() -> None:
    decoded = decode(
        "sensors/desk/temperature", '[{"value":1},7,{"value":"x"},{"value":2,"ts":5},{"value":3}]'
    )
    assert [r.value for r in decoded.readings] == [1.0, 3.0]
    assert [r.reason for r in decoded.rejects] == [
        "item_not_an_object",
        "value_not_a_number",
        "time_before_2000",
    ]
    assert [r.detail.split(":")[0] for r in decoded.rejects] == ["item 1", "item 2", "item 3"]


def test_an_array_without_a_good_item_is_rejected_with_the_reason_of_the_first() -> None:
    assert reason("sensors/desk/temperature", '[{"value":"x"},7]') == "value_not_a_number"


def test_an_object_of_a_device_is_a_reading_for_each_number() -> None:
    payload = '{"temperature":21.5,"humidity":"44","door":"open","ts":1789999999,"seq":5}'
    decoded = decode("sensors/desk", payload)
    assert [(r.series, r.value) for r in decoded.readings] == [
        (("desk", "temperature"), 21.5),
        (("desk", "humidity"), 44.0),
        (("desk", "door"), 1.0),
    ]
    assert {(r.time_ns, r.seq, r.has_own_time) for r in decoded.readings} == {
        (1_789_999_999 * 10**9, 5, True)
    }


def test_null_text_and_nested_members_are_ignored_and_named() -> None:
    payload = '{"temperature":21.5,"fw":"v1.2","x":null,"nested":{"a":1},"list":[1]}'
    decoded = decode("sensors/desk", payload)
    assert [r.series.metric for r in decoded.readings] == ["temperature"]
    assert decoded.rejects == []
    assert [text.split(":")[0].split(" ")[0] for text in decoded.ignored] == [
        "'fw'",
        "'x'",
        "'nested'",
        "'list'",
    ]


def test_a_member_may_be_a_value_with_a_unit() -> None:
    decoded = decode("sensors/desk", '{"temperature":{"value":21.5,"unit":"°C"}}')
    assert decoded.readings == [Reading(DESK, NOW_NS, 21.5, None, False)]
    assert decoded.facts == [DeviceFacts("desk", units={"temperature": "°C"})]


def test_a_bad_member_is_rejected_beside_the_good_ones() -> None:
    decoded = decode("sensors/desk", '{"temperature":21.5,"a+b":1,"x":"NaN","y":{"value":1,"unit":5}}')
    assert [r.series.metric for r in decoded.readings] == ["temperature"]
    assert [r.reason for r in decoded.rejects] == ["name_wildcard", "number_not_finite", "unit_invalid"]


@pytest.mark.parametrize("payload", ['{"a+b":1}', '{"a+b":1,"fw":"v1"}', '[{"a+b":1}]'])
def test_a_message_of_which_nothing_is_usable_is_rejected_whole(payload: str) -> None:
    assert reason("sensors/desk", payload) == "name_wildcard"


@pytest.mark.parametrize(
    ("member", "expected"), [('"ts":5', "time_before_2000"), ('"seq":-1', "seq_invalid")]
)
def test_a_bad_time_or_seq_rejects_the_whole_object(member: str, expected: str) -> None:
    assert reason("sensors/desk", f'{{"temperature":1,{member}}}') == expected


def test_an_object_without_value_belongs_to_the_whole_path_as_a_device() -> None:
    assert [r.series for r in decode("sensors/a/b", '{"t":1}').readings] == [("a/b", "t")]
    assert [r.series for r in decode("sensors/a/b", '{"value":1}').readings] == [("a", "b")]
    assert [r.series for r in decode("sensors/a/b/c", "1").readings] == [("a/b", "c")]
    assert [r.series for r in decode("sensors/a/b", '[{"t":1},{"value":2}]').readings] == [
        ("a/b", "t"),
        ("a", "b"),
    ]


def test_a_retained_message_without_a_time_is_state_and_not_a_reading() -> None:
    decoded = decode("sensors/desk/temperature", "21.5", retained=True)
    assert decoded.readings == []
    assert decoded.state == [Reading(DESK, NOW_NS, 21.5, None, False)]
    assert decode("sensors/desk/temperature", "21.5").state == []


def test_a_retained_message_with_a_time_is_a_reading() -> None:
    decoded = decode("sensors/desk/temperature", '{"value":21.5,"ts":1789999999}', retained=True)
    assert (len(decoded.readings), decoded.state) == (1, [])


def test_a_retained_array_is_split_by_who_has_a_time() -> None:
    decoded = decode("sensors/desk/temperature", '[{"value":1,"ts":1789999999},{"value":2}]', retained=True)
    assert [r.value for r in decoded.readings] == [1.0]
    assert [r.value for r in decoded.state] == [2.0]


def test_a_unit_is_a_fact_only_when_it_is_new() -> None:
    decoders = build_decoders()
    facts = []
    for unit in ("°C", "°C", "K", "K", "", "°C"):
        payload = msgspec.json.encode({"value": 1, "unit": unit})
        facts += decoders.decode(b"sensors/desk/temperature", payload, False, NOW_NS).facts
    assert [f.units["temperature"] for f in facts] == ["°C", "K", "°C"]


@pytest.mark.parametrize(
    ("payload", "status"),
    [("online", Status.ONLINE), (" Offline\n", Status.OFFLINE), ("unknown", Status.UNKNOWN)],
)
def test_a_status_is_a_fact(payload: str, status: Status) -> None:
    for retained in (False, True):
        decoded = decode("sensors/a/b/$status", payload, retained)
        assert decoded == Decoded(facts=[DeviceFacts("a/b", status=status, status_at_ns=NOW_NS)])


@pytest.mark.parametrize("payload", [" ", "1", "alive", "\xff", '"online"'])
def test_any_other_status_is_rejected(payload: str) -> None:
    assert reason("sensors/desk/$status", payload.encode("latin-1")) == "status_unknown"


def test_meta_is_facts() -> None:
    payload = (
        '{"name":"Desk","location":"Office","interval_s":2.5,"simulated":true,"units":{"t":"°C","x":null},'
        '"names":{"t":"Heat"},"colour":"blue"}'
    )
    assert decode("sensors/desk/$meta", payload).facts == [
        DeviceFacts(
            "desk",
            name="Desk",
            location="Office",
            interval_s=2.5,
            simulated=True,
            units={"t": "°C"},
            names={"t": "Heat"},
        )
    ]


def test_meta_without_a_member_says_nothing_of_it() -> None:
    assert decode("sensors/desk/$meta", '{"name":"","units":{}}').facts == [DeviceFacts("desk")]


@pytest.mark.parametrize(
    "member",
    [
        {"name": 5},
        {"name": "x" * 129},
        {"location": "a\nb"},
        {"interval_s": "5"},
        {"interval_s": 0},
        {"interval_s": -1},
        {"interval_s": True},
        {"interval_s": 1e300},
        {"simulated": 1},
        {"units": [1]},
        {"units": "°C"},
        {"names": {"t": 5}},
        {"names": {f"m{i}": "x" for i in range(1001)}},
    ],
    ids=lambda member: str(member)[:30],
)
def test_a_bad_member_of_meta_is_named(member: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match=next(iter(member))) as caught:
        decode("sensors/desk/$meta", msgspec.json.encode(member))
    assert caught.value.reason == "meta_invalid"


def test_an_interval_of_hundreds_of_digits_is_refused() -> None:
    assert reason("sensors/desk/$meta", '{"interval_s":%s}' % ("9" * 300)) == "meta_invalid"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("[]", "meta_invalid"),
        ("5", "meta_invalid"),
        (" ", "payload_empty"),
        ('{"units":{"a/b":"x"}}', "name_slash"),
        ('{"units":{"a":5}}', "unit_invalid"),
    ],
)
def test_meta_that_is_no_object_of_facts_is_rejected(payload: str, expected: str) -> None:
    assert reason("sensors/desk/$meta", payload) == expected


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        ("sensors", "1", "topic_unknown"),
        ("other/desk/t", "1", "topic_unknown"),
        ("$SYS/broker", "1", "topic_unknown"),
        ("$share/g/sensors/a/t", "1", "topic_unknown"),
        ("", "1", "topic_unknown"),
        ("sensors/", "1", "topic_level_empty"),
        ("sensors//t", "1", "topic_level_empty"),
        ("sensors/desk/", "1", "topic_level_empty"),
        ("sensors/desk", "1", "topic_without_metric"),
        ("sensors/$status", "online", "name_reserved"),
        ("sensors/desk/$other", "1", "name_reserved"),
        ("sensors/desk/$status/t", "1", "name_reserved"),
        ("sensors/+/t", "1", "name_wildcard"),
        ("sensors/desk/\x00", "1", "name_unprintable"),
        ("sensors/" + "/".join("a" * 200), "1", "name_too_long"),
    ],
)
def test_a_topic_outside_the_grammar_has_its_reason(topic: str, payload: str, expected: str) -> None:
    assert reason(topic, payload) == expected


def test_too_many_readings_are_refused_in_every_form() -> None:
    item = '{"value":1}'
    assert reason("sensors/desk/t", f"[{','.join([item] * 10_001)}]") == "too_many_readings"
    members = ",".join(f'"{i}":1' for i in range(10_001))
    assert reason("sensors/desk", f"{{{members}}}") == "too_many_readings"
    wide = '{"a":1,"b":1,"c":1}'
    assert reason("sensors/desk", f"[{','.join([wide] * 3_334)}]") == "too_many_readings"
    assert len(decode("sensors/desk/t", f"[{','.join([item] * 10_000)}]").readings) == 10_000


def test_limits_of_time_are_those_that_were_given() -> None:
    payload = '{"value":1,"ts":1789999000}'
    assert len(decode("sensors/desk/t", payload, max_age_s=2000).readings) == 1
    with pytest.raises(Rejected, match="time_too_old"):
        decode("sensors/desk/t", payload, max_age_s=500)


def test_more_topics_than_are_remembered_are_decoded_all_the_same() -> None:
    decoders = build_decoders()
    for i in range(50_010):
        assert len(decoders.decode(b"sensors/desk/m%d" % i, b"1", False, NOW_NS).readings) == 1
    assert decoders.filters == ("sensors/#",)
    assert decoders.choose(b"sensors/desk/m1").name == "native"
