"""Small pure rules that stores share: how wide a bucket is, how facts add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorline.errors import QueryError
from sensorline.reading import DeviceFacts, Status
from sensorline.stores.buckets import WIDTHS_NS, bucket_width, check_range
from sensorline.stores.facts import merge_facts

LAST_NS = 2**63 - 1


def count(start_ns: int, end_ns: int, width_ns: int) -> int:
    return (end_ns - 1) // width_ns - start_ns // width_ns + 1


@given(st.integers(0, LAST_NS - 1), st.integers(1, LAST_NS), st.integers(1, 10_000))
def test_buckets_are_at_most_as_many_as_asked_and_no_wider_than_needed(
    start_ns: int, span_ns: int, max_points: int
) -> None:
    end_ns = min(start_ns + span_ns, LAST_NS)
    width_ns = bucket_width(start_ns, end_ns, max_points)
    assert count(start_ns, end_ns, width_ns) <= max_points
    narrower = [w for w in WIDTHS_NS if w < width_ns]
    assert not narrower or count(start_ns, end_ns, narrower[-1]) > max_points
    assert width_ns in WIDTHS_NS or width_ns % WIDTHS_NS[-1] == 0


@given(
    st.integers(0, LAST_NS - 1), st.integers(1, 10**18), st.integers(1, 10_000), st.sampled_from(WIDTHS_NS)
)
def test_a_least_width_is_kept(start_ns: int, span_ns: int, max_points: int, at_least_ns: int) -> None:
    width_ns = bucket_width(start_ns, start_ns + span_ns, max_points, at_least_ns)
    assert width_ns >= at_least_ns
    assert count(start_ns, start_ns + span_ns, width_ns) <= max_points


def test_widths_fit_into_each_other_on_a_clock() -> None:
    assert list(WIDTHS_NS) == sorted(set(WIDTHS_NS))
    minute, hour, day = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
    for width in WIDTHS_NS:
        # Rollups are of minutes and hours: a bucket is a part of one or made of whole ones.
        assert width % minute == 0 or minute % width == 0
        assert width % hour == 0 or hour % width == 0
        assert width % day == 0 or day % width == 0


@pytest.mark.parametrize("max_points", [0, -5, 10_001])
def test_a_number_of_points_has_limits(max_points: int) -> None:
    with pytest.raises(QueryError, match="max_points"):
        check_range(0, 1, max_points)


def test_a_range_has_an_inside() -> None:
    check_range(0, 1, 1)
    with pytest.raises(QueryError, match="from"):
        check_range(1, 1, 1)


FULL = DeviceFacts(
    "desk", Status.ONLINE, 100, "Desk", "Office", 2.5, True, {"t": "°C", "h": "%"}, {"t": "Heat"}
)


def test_silence_replaces_nothing() -> None:
    assert merge_facts(FULL, DeviceFacts("desk")) == FULL
    assert merge_facts(DeviceFacts("desk"), FULL) == FULL


def test_a_newer_word_replaces_an_older_one() -> None:
    news = DeviceFacts("desk", Status.OFFLINE, 200, name="New", interval_s=5.0, simulated=False)
    merged = merge_facts(FULL, news)
    assert (merged.status, merged.status_at_ns, merged.name) == (Status.OFFLINE, 200, "New")
    assert (merged.interval_s, merged.simulated, merged.location) == (5.0, False, "Office")


def test_units_and_names_add_up() -> None:
    merged = merge_facts(FULL, DeviceFacts("desk", units={"t": "K", "p": "hPa"}, names={"h": "Damp"}))
    assert merged.units == {"t": "K", "h": "%", "p": "hPa"}
    assert merged.names == {"t": "Heat", "h": "Damp"}
    assert FULL.units == {"t": "°C", "h": "%"}


def test_the_same_status_again_did_not_happen_now() -> None:
    again = DeviceFacts("desk", Status.ONLINE, 300)
    assert merge_facts(FULL, again).status_at_ns == 100
    there_and_back = merge_facts(merge_facts(FULL, DeviceFacts("desk", Status.OFFLINE, 200)), again)
    assert there_and_back.status_at_ns == 300


def test_merging_twice_is_merging_once() -> None:
    news = DeviceFacts("desk", Status.OFFLINE, 200, units={"t": "K"})
    once = merge_facts(FULL, news)
    assert merge_facts(once, news) == once
