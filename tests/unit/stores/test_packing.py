"""Columns of numbers come back bit for bit, whatever they are, and take little where they are what sensors send."""

import math
import random
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorline.stores.packing import (
    pack_ints,
    pack_times,
    pack_values,
    unpack_ints,
    unpack_times,
    unpack_values,
)

T0_NS = 1_790_000_000 * 10**9

_INT64 = st.integers(-(2**63), 2**63 - 1)
_TIMES = st.lists(st.integers(0, 2**62)) | st.builds(
    lambda first, steps, unit_ns: [first * unit_ns + sum(steps[:i]) * unit_ns for i in range(len(steps))],
    st.integers(0, 2**33),
    st.lists(st.integers(-5_000, 100_000), max_size=50),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
)
_DECIMALS = st.builds(
    lambda number, places: number / 10**places, st.integers(-(10**9), 10**9), st.integers(0, 8)
)
_VALUES = st.lists(_DECIMALS) | st.lists(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**53, 2.0**53 + 2, 0.1, 1e22])
)


@given(
    st.lists(_INT64) | st.lists(st.integers(-130, 130)) | st.lists(st.integers(-40_000, 40_000)), st.binary()
)
def test_whole_numbers_come_back(numbers: list[int], behind: bytes) -> None:
    packed = pack_ints(numbers)
    found, end = unpack_ints(b"xx" + packed + behind, 2, len(numbers))
    assert (list(found), end) == (numbers, 2 + len(packed))


@given(_TIMES, st.binary())
def test_times_come_back(times_ns: list[int], behind: bytes) -> None:
    packed = pack_times(times_ns)
    found, end = unpack_times(packed + behind, 0, len(times_ns))
    assert (list(found), end) == (times_ns, len(packed))


@given(_VALUES, st.binary())
def test_values_come_back_bit_for_bit(values: list[float], behind: bytes) -> None:
    column = array("d", values)
    packed = pack_values(column)
    found, end = unpack_values(packed + behind, 0, len(values))
    assert (found.tobytes(), end) == (array("d", values).tobytes(), len(packed))
    assert column.tobytes() == array("d", values).tobytes(), "packing changes nothing"


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        pack_ints([2**63])


@pytest.mark.parametrize("cut", [1, 5, 9, 20])
def test_a_column_that_is_cut_off_is_refused(cut: int) -> None:
    for packed, unpack in (
        (pack_ints([1000] * 100), unpack_ints),
        (pack_values(array("d", [21.5] * 100)), unpack_values),
        (pack_values(array("d", [math.pi] * 100)), unpack_values),
    ):
        with pytest.raises((ValueError, IndexError, struct.error)):
            unpack(packed[:-cut], 0, 100)


def test_readings_of_a_sensor_take_three_bytes_before_they_are_compressed() -> None:
    rng = random.Random(7)
    values = array("d", [round(20 + rng.gauss(0, 0.3), 2) for _ in range(600)])
    times_ns = [T0_NS + i * 10**9 for i in range(600)]
    assert len(pack_values(values)) < 2.1 * 600
    assert len(pack_times(times_ns)) < 2.1 * 600


def test_one_odd_value_makes_doubles_of_its_column_and_nothing_is_lost() -> None:
    values = array("d", [1.5] * 100 + [math.pi])
    assert unpack_values(pack_values(values), 0, 101)[0] == values
