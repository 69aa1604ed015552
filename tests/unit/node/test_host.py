"""The host sensor: on this machine, and on one whose counters the test sets."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from sensorline.errors import SensorError
from sensorline_node.sensors.host import HostSensor

Nic = namedtuple("Nic", "bytes_recv bytes_sent")
Used = namedtuple("Used", "percent total")
Temp = namedtuple("Temp", "label current")


class Machine:
    """Has psutil's functions and says what the test set."""

    def __init__(self) -> None:
        self.nics = {"lo": Nic(9_999, 9_999), "eth0": Nic(1_000, 500), "wlan0": Nic(100, 50)}
        self.swap = Used(3.0, 1024)
        self.temps: dict[str, list[Temp]] = {
            "coretemp": [Temp("Package id 0", 51.0), Temp("Core 0", 50.0)],
            "acpitz": [Temp("", 27.8)],
            "nvme": [Temp("", 33.0), Temp("", None)],
        }

    def cpu_percent(self, interval: None) -> float:
        return 12.5

    def getloadavg(self) -> tuple[float, float, float]:
        return 0.123, 0.456, 0.789

    def virtual_memory(self) -> Used:
        return Used(41.0, 8)

    def swap_memory(self) -> Used:
        return self.swap

    def disk_usage(self, path: str) -> Used:
        return Used(63.0, 8)

    def net_io_counters(self, pernic: bool) -> dict[str, Nic]:
        return self.nics

    def sensors_temperatures(self) -> dict[str, list[Temp]]:
        return self.temps

    def boot_time(self) -> float:
        return 1_000.0


def sensor_on(machine: Any, clock: Any) -> HostSensor:
    sensor = HostSensor(source=machine, now_s=clock.monotonic_s, wall_s=lambda: 4_600.4)
    sensor.open()
    return sensor


def values(sensor: HostSensor) -> dict[str, tuple[float, str]]:
    return {m.metric: (m.value, m.unit) for m in sensor.read()}


def test_every_value_has_its_unit(clock: Any) -> None:
    sensor = sensor_on(Machine(), clock)
    sensor.read()
    clock.pass_s(2)
    assert values(sensor) == {
        "cpu": (12.5, "%"),
        "load_1m": (0.12, ""),
        "load_5m": (0.46, ""),
        "load_15m": (0.79, ""),
        "memory": (41.0, "%"),
        "swap": (3.0, "%"),
        "disk": (63.0, "%"),
        "network_receive": (0.0, "B/s"),
        "network_transmit": (0.0, "B/s"),
        "temperature_coretemp_package_id_0": (51.0, "°C"),
        "temperature_coretemp_core_0": (50.0, "°C"),
        "temperature_acpitz": (27.8, "°C"),
        "temperature_nvme_1": (33.0, "°C"),
        "uptime": (3_600, "s"),
    }


def test_the_first_read_has_no_rates_because_they_need_two(clock: Any) -> None:
    first = values(sensor_on(Machine(), clock))
    assert not {"cpu", "network_receive", "network_transmit"} & set(first)


def test_network_rates_are_bytes_per_second_of_real_interfaces(clock: Any) -> None:
    machine = Machine()
    sensor = sensor_on(machine, clock)
    sensor.read()
    clock.pass_s(4)
    machine.nics = {"lo": Nic(0, 0), "eth0": Nic(5_000, 900), "wlan0": Nic(100, 50)}
    found = values(sensor)
    assert (found["network_receive"][0], found["network_transmit"][0]) == (1_000.0, 100.0)


def test_counters_that_begin_anew_give_no_rate_once(clock: Any) -> None:
    machine = Machine()
    sensor = sensor_on(machine, clock)
    sensor.read()
    clock.pass_s(2)
    machine.nics = {"eth0": Nic(10, 10)}
    assert "network_receive" not in values(sensor)
    clock.pass_s(2)
    assert values(sensor)["network_receive"][0] == 0.0


def test_a_machine_without_swap_has_no_swap_reading(clock: Any) -> None:
    machine = Machine()
    machine.swap = Used(0.0, 0)
    assert "swap" not in values(sensor_on(machine, clock))


def test_this_machine_can_be_read() -> None:
    sensor = HostSensor()
    sensor.open()
    found = values(sensor)
    assert {"load_1m", "memory", "disk", "uptime"} <= set(found)
    assert 0 < found["memory"][0] <= 100


def test_a_disk_that_is_not_there_is_named() -> None:
    sensor = HostSensor(disk=Path("/no/such/folder"))
    sensor.open()
    with pytest.raises(SensorError, match=r"disk /no/such/folder: .*NODE_HOST_DISK"):
        sensor.read()
