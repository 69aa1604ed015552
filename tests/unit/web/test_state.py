"""The live state: broker and store in any order, the newest wins, mere state never hides a reading."""

from sensorline.decoders import Decoded
from sensorline.reading import DeviceFacts, Reading, Series, Status
from sensorline.stores.base import DeviceInfo, SeriesInfo
from sensorline_web.live.state import LiveState

A = Series("desk", "a")


def latest(state: LiveState) -> tuple[int, float]:
    device = state.device("desk")
    assert device is not None
    return device.latest["a"].time_ns, device.latest["a"].value


def test_a_first_reading_makes_a_device_and_a_series_known_once() -> None:
    state = LiveState()
    changes = state.apply(Decoded(readings=[Reading(A, 1, 1.0), Reading(A, 2, 2.0)]))
    assert (changes.devices, changes.series) == (["desk"], [A])
    again = state.apply(Decoded(readings=[Reading(A, 3, 3.0)]))
    assert (again.devices, again.series) == ([], [])


def test_a_late_reading_does_not_become_the_latest() -> None:
    state = LiveState()
    state.apply(Decoded(readings=[Reading(A, 5, 5.0)]))
    state.apply(Decoded(readings=[Reading(A, 4, 4.0)]))
    assert latest(state) == (5, 5.0)


def test_state_without_a_time_is_shown_only_while_nothing_better_is_known() -> None:
    state = LiveState()
    state.apply(Decoded(state=[Reading(A, 100, 1.0, None, False)]))
    assert latest(state) == (100, 1.0)
    assert state.devices()[0].last_seen_ns is None
    state.load([], [SeriesInfo(A, None, None, 7, 2.0)])
    assert latest(state) == (7, 2.0)
    state.apply(Decoded(state=[Reading(A, 200, 3.0, None, False)]))
    assert latest(state) == (7, 2.0)


def test_the_store_completes_what_the_broker_said_and_does_not_overrule_it() -> None:
    state = LiveState()
    state.apply(Decoded(facts=[DeviceFacts("desk", Status.OFFLINE, 50)]))
    stored = DeviceFacts("desk", Status.ONLINE, 10, name="Desk", units={"a": "°C"})
    changes = state.load([DeviceInfo(stored, 9)], [SeriesInfo(A, "°C", None, 9, 1.0)])
    device = state.devices()[0]
    assert (device.facts.status, device.facts.name, device.last_seen_ns) == (Status.OFFLINE, "Desk", 9)
    assert (changes.devices, changes.series) == (["desk"], [A])


def test_the_same_status_again_keeps_the_time_at_which_it_began() -> None:
    state = LiveState()
    state.apply(Decoded(facts=[DeviceFacts("desk", Status.ONLINE, 50)]))
    assert state.load([DeviceInfo(DeviceFacts("desk", Status.ONLINE, 10), None)], []).devices == ["desk"]
    assert state.devices()[0].facts.status_at_ns == 10
    assert state.apply(Decoded(facts=[DeviceFacts("desk", Status.ONLINE, 60)])).devices == []


def test_another_unit_is_news_of_the_series() -> None:
    state = LiveState()
    state.apply(Decoded(readings=[Reading(A, 1, 1.0)]))
    changes = state.apply(Decoded(facts=[DeviceFacts("desk", units={"a": "°F"})]))
    assert changes.series == [A]


def test_series_without_end_are_not_kept() -> None:
    state = LiveState(max_series=3)
    for i in range(10):
        state.apply(Decoded(readings=[Reading(Series(f"d{i}", "m"), 1, 1.0)]))
    assert (len(state.devices()), state.not_shown) == (3, 7)
