"""The simulated room: believable, reproducible, and marked as what it is."""

import itertools

from sensorline_node.sensors.simulated import DAY_S, SimulatedSensor

MIDNIGHT_S = 1_737_072_000.0
"""2025-01-17T00:00:00Z."""


def at(time_s: float, seed: int = 1) -> dict[str, float]:
    return {m.metric: m.value for m in SimulatedSensor(seed, now_s=lambda: time_s).read()}


def test_a_simulated_sensor_says_that_it_is_one() -> None:
    assert SimulatedSensor().is_simulated
    assert {m.metric: m.unit for m in SimulatedSensor().read()} == {
        "temperature": "°C",
        "humidity": "%",
        "pressure": "hPa",
        "co2": "ppm",
    }


def test_the_same_seed_and_time_give_the_same_values_and_another_seed_others() -> None:
    assert at(MIDNIGHT_S) == at(MIDNIGHT_S)
    assert at(MIDNIGHT_S) != at(MIDNIGHT_S, seed=2)


def test_a_month_of_values_stays_within_what_a_room_does() -> None:
    days = [at(MIDNIGHT_S + minutes * 60.0) for minutes in range(0, 30 * 1440, 17)]
    for metric, low, high in [
        ("temperature", 18, 25),
        ("humidity", 30, 60),
        ("pressure", 995, 1033),
        ("co2", 410, 1120),
    ]:
        values = [day[metric] for day in days]
        assert low < min(values) < max(values) < high


def test_the_afternoon_is_warmer_than_the_night_and_fuller_of_co2() -> None:
    nights = [at(MIDNIGHT_S + day * DAY_S + 3 * 3600) for day in range(20)]
    afternoons = [at(MIDNIGHT_S + day * DAY_S + 15 * 3600) for day in range(20)]
    for metric in ("temperature", "co2"):
        assert sum(a[metric] for a in afternoons) > sum(n[metric] for n in nights) + 20 * 0.5


def test_values_change_smoothly_from_one_second_to_the_next() -> None:
    seconds = [at(MIDNIGHT_S + 30_000 + second)["temperature"] for second in range(600)]
    assert max(abs(b - a) for a, b in itertools.pairwise(seconds)) < 0.12
