"""Blocks and rollups come back as they were, and rollups of parts add up to those of the whole."""

import math
import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorline.stores.journal.codec import Damaged
from sensorline.stores.sqlite import rollups
from sensorline.stores.sqlite.blocks import Column, cut, frame_count, frames, merge, pack, unpack
from sensorline.stores.sqlite.rollups import Rollups, fold, of_readings

MINUTE_NS = 60 * 10**9
T0_NS = 1_790_000_000 * 10**9

_VALUE = (
    st.builds(lambda n, places: n / 10**places, st.integers(-(10**6), 10**6), st.integers(0, 7))
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 5e-324, 1.7e308, -1.7e308])
)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    gaps = draw(st.lists(st.integers(1, 10**12) | st.sampled_from([10**6, 10**9]), min_size=1, max_size=80))
    times_ns = array("q", [T0_NS + sum(gaps[:i]) for i in range(len(gaps))])
    values = draw(st.lists(_VALUE, min_size=len(gaps), max_size=len(gaps)))
    return times_ns, array("d", values)


def same(one: Column, other: Column) -> bool:
    return (one[0].tolist(), one[1].tobytes()) == (other[0].tolist(), other[1].tobytes())


@given(columns())
def test_a_block_comes_back_bit_for_bit(column: Column) -> None:
    block, _ = pack(*column)
    assert same(unpack(block.body), column)
    assert (block.n, block.first_ns, block.last_ns) == (len(column[0]), column[0][0], column[0][-1])
    assert list(frames(block.body)) == [(0, block.n, block.first_ns, block.last_ns)]


@given(columns(), columns(), st.integers(0, 200), st.integers(0, 200))
def test_joined_bodies_are_one_block_of_which_any_range_comes_back(
    first: Column, second: Column, start: int, end: int
) -> None:
    later = array("q", [t + first[0][-1] - T0_NS + 1 for t in second[0]]), second[1]
    body = pack(*first)[0].body + pack(*later)[0].body
    assert frame_count(body) == 2
    whole = merge([later, first])
    assert same(unpack(body), whole)
    start_ns, end_ns = (whole[0][min(i, len(whole[0]) - 1)] for i in (start, end))
    assert same(unpack(body, start_ns, end_ns), cut(whole, start_ns, max(start_ns, end_ns)))


@given(columns(), st.data())
def test_a_changed_byte_is_noticed(column: Column, data: st.DataObject) -> None:
    body = bytearray(pack(*column)[0].body)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Damaged):
        assert same(unpack(bytes(body)), column), "never other readings without a word"


@given(columns(), st.integers(0, 80))
def test_a_block_that_is_cut_off_is_noticed(column: Column, missing: int) -> None:
    body = pack(*column)[0].body
    with pytest.raises(Damaged):
        unpack(body[: max(len(body) - 1 - missing, 1)])


@given(st.lists(columns(), min_size=1, max_size=4), st.randoms())
def test_readings_that_lie_between_each_other_are_merged_in_order(
    parts: list[Column], rng: random.Random
) -> None:
    pairs = {t: v for column in parts for t, v in zip(*column, strict=True)}
    shares: list[dict[int, float]] = [{} for _ in parts]
    for t, v in pairs.items():
        rng.choice(shares)[t] = v
    split = [(array("q", sorted(s)), array("d", [s[t] for t in sorted(s)])) for s in shares]
    expected = array("q", sorted(pairs)), array("d", [pairs[t] for t in sorted(pairs)])
    assert same(merge(split), expected)


def test_readings_of_a_sensor_take_little_more_than_a_byte() -> None:
    rng = random.Random(7)
    value, values = 20.0, array("d")
    for _ in range(600):
        value = round(value + rng.choice((-0.1, 0.0, 0.0, 0.1)), 1)
        values.append(value)
    times_ns = array("q", [T0_NS + i * 10**9 for i in range(600)])
    block, decimals = pack(times_ns, values)
    assert decimals == 1
    assert len(block.body) < 0.6 * 600
    jittered = array("q", [t + rng.randrange(20) * 10**6 for t in times_ns])
    assert len(pack(jittered, values)[0].body) < 1.6 * 600


def of(column: Column, width_ns: int) -> dict[int, list[float]]:
    out: dict[int, list[float]] = {}
    for time_ns, value in zip(*column, strict=True):
        out.setdefault(time_ns // width_ns, []).append(value)
    return out


def check(found: Rollups, expected: dict[int, list[float]]) -> None:
    assert found.window == sorted(expected)
    for window, n, low, mean, high in zip(
        found.window, found.n, found.low, found.mean, found.high, strict=True
    ):
        values = expected[window]
        assert (n, low, high) == (len(values), min(values), max(values))
        assert low <= mean <= high
        largest = max(abs(low), abs(high))
        right = math.fsum(v / n for v in values)
        assert math.isclose(mean, right, rel_tol=1e-12, abs_tol=1e-12 * largest + 1e-9)


@given(columns(), columns(), st.sampled_from([1, 5, 60, 1_440]))
def test_rollups_of_parts_add_up_and_come_back(first: Column, second: Column, factor: int) -> None:
    taken = set(first[0])
    keep = [i for i, t in enumerate(second[0]) if t not in taken]
    second = array("q", [second[0][i] for i in keep]), array("d", [second[1][i] for i in keep])
    parts = []
    for column in (first, second):
        decimals = pack(*column)[1] if column[0] else -1
        minutes = of_readings(column, MINUTE_NS, decimals)
        assert rollups.unpack(rollups.pack(minutes)) == minutes
        parts.append(minutes)
    whole = merge([first, second])
    check(fold(parts), of(whole, MINUTE_NS))
    check(fold(parts, factor), of(whole, MINUTE_NS * factor))
    packed = rollups.pack(fold(parts, factor))
    assert rollups.unpack(packed) == fold(parts, factor)
    with pytest.raises(Damaged):
        rollups.unpack(packed[:-1])


def test_a_days_minutes_take_a_tenth_of_a_byte_a_reading() -> None:
    rng = random.Random(7)
    value, values = 20.0, array("d")
    for _ in range(86_400):
        value = round(value + rng.choice((-0.1, 0.0, 0.0, 0.1)), 1)
        values.append(value)
    times_ns = array("q", [T0_NS // 86_400 * 86_400 + i * 10**9 for i in range(86_400)])
    assert len(rollups.pack(of_readings((times_ns, values), MINUTE_NS, 1))) < 0.1 * 86_400
