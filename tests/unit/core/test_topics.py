"""The topic grammar: which names are good, and why the others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorline import topics
from sensorline.errors import Rejected


def reason(call: object, *args: object) -> str:
    with pytest.raises(Rejected) as caught:
        call(*args)  # type: ignore[operator]  # each case gives a function of topics
    assert caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize(
    "name",
    ["desk", "T", "a b", "°C", "日本語", "x" * 128, "a'b\"c\\", "__proto__", "..", "%2e%2e", "😀", "a=b,c"],
)
def test_printable_names_are_good_for_devices_and_metrics(name: str) -> None:
    assert topics.check_device(name) == topics.check_metric(name) == name


def test_a_device_may_have_levels_and_a_metric_may_not() -> None:
    assert topics.check_device("zigbee2mqtt/kitchen/fridge") == "zigbee2mqtt/kitchen/fridge"
    assert reason(topics.check_metric, "a/b") == "name_slash"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "name_empty"),
        ("x" * 129, "name_too_long"),
        ("x" * 65_536, "name_too_long"),
        ("a\nb", "name_unprintable"),
        ("a\x00b", "name_unprintable"),
        ("a\r\nSet-Cookie: x", "name_unprintable"),
        ("a\u202eb", "name_unprintable"),
        ("a\u200bb", "name_unprintable"),
        ("a\ufeffb", "name_unprintable"),
        ("a\u00a0b", "name_unprintable"),
        ("\ud800", "name_unprintable"),
        ("a+b", "name_wildcard"),
        ("#", "name_wildcard"),
        ("$meta", "name_reserved"),
    ],
)
def test_a_bad_name_has_its_reason(name: str, expected: str) -> None:
    assert reason(topics.check_device, name) == reason(topics.check_metric, name) == expected


@pytest.mark.parametrize("device", ["/a", "a/", "a//b", "/"])
def test_a_device_has_no_empty_level(device: str) -> None:
    assert reason(topics.check_device, device) == "topic_level_empty"


def test_no_level_of_a_device_is_reserved() -> None:
    assert reason(topics.check_device, "a/$status") == "name_reserved"
    assert topics.check_device("a/b$c") == "a/b$c"


def test_twins_that_look_the_same_are_the_same() -> None:
    assert topics.check_metric("cafe\u0301") == topics.check_metric("caf\u00e9") == "caf\u00e9"


def test_the_length_is_that_of_the_normal_form() -> None:
    # U+FB2C becomes three characters in normal form C; two that compose become one.
    assert reason(topics.check_device, "\ufb2c" * 43) == "name_too_long"
    assert len(topics.check_device("e\u0301" * 128)) == 128


@given(st.text(max_size=140))
def test_a_good_name_stays_as_it_is_when_checked_again(name: str) -> None:
    try:
        checked = topics.check_device(name)
    except Rejected:
        return
    assert topics.check_device(checked) == checked
    assert checked.isprintable()
    assert 1 <= len(checked) <= 128


def test_a_topic_is_utf8() -> None:
    assert topics.decode_topic("sensors/ö".encode()) == "sensors/ö"
    for bad in (b"sensors/\xff", b"sensors/\xed\xa0\x80", b"sensors/\xc3"):
        assert reason(topics.decode_topic, bad) == "topic_not_utf8"
        assert topics.printable_topic(bad).startswith("sensors/\\x")


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("sensors/#", "sensors/a", True),
        ("sensors/#", "sensors/a/b/c", True),
        ("sensors/#", "sensors", True),
        ("sensors/#", "sensorsx/a", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a//c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("+", "a", True),
        ("+/+", "/a", True),
        ("a/b", "a/b", True),
        ("a/b", "a/b/", False),
        ("a/#", "a/$status", True),
    ],
)
def test_filters_match_as_mqtt_3_1_1_says(topic_filter: str, topic: str, matches: bool) -> None:
    assert topics.filter_matches(topic_filter, topic) is matches


@pytest.mark.parametrize(
    ("topic", "announced"),
    [
        ("sensors/a/t", "sensorline/rejected/sensors/a/t"),
        ("sensors/+/#", "sensorline/rejected/sensors/_/_"),
        ("/a\n\x00b", "sensorline/rejected/a__b"),
        ("$SYS/x", "sensorline/rejected/$SYS/x"),
        ("", "sensorline/rejected/"),
    ],
)
def test_a_reject_is_announced_on_a_topic_that_may_be_published(topic: str, announced: str) -> None:
    assert topics.rejected_topic(topic) == announced


@given(st.binary(max_size=3000))
def test_any_rejected_topic_can_be_published(topic: bytes) -> None:
    announced = topics.rejected_topic(topics.printable_topic(topic))
    assert len(announced.encode()) <= topics.TOPIC_MAX_BYTES
    assert announced.isprintable()
    assert not set("+#") & set(announced)


def test_events_go_to_their_device_or_to_all() -> None:
    assert topics.events_topic("a/b") == "sensorline/events/a/b"
    assert topics.events_topic("") == "sensorline/events/$all"
    for device in ("a", "a/b", ""):
        assert topics.filter_matches(topics.EVENTS_FILTER, topics.events_topic(device))


def test_confirmations_go_to_the_device() -> None:
    assert topics.acks_topic("a/b") == "acks/a/b"
