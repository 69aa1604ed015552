"""The Pi's chip temperature: the firmware if it answers, else the kernel's zones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sensorline.errors import SensorError
from sensorline_node.sensors.pi import PiSensor


def zone(root: Path, number: int, kind: str, temp: str) -> None:
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "temp").write_text(f"{temp}\n")


def values(sensor: PiSensor) -> dict[str, float]:
    sensor.open()
    measured = sensor.read()
    assert all(m.unit == "°C" for m in measured)
    return {m.metric: m.value for m in measured}


def test_the_firmware_is_asked_first(tmp_path: Path, program: Callable[[str, str], str]) -> None:
    zone(tmp_path, 0, "cpu-thermal", "50000")
    vcgencmd = program("vcgencmd", '[ "$1" = measure_temp ] && echo "temp=48.3\'C"')
    assert values(PiSensor(tmp_path, vcgencmd)) == {"soc_temperature": 48.3}


@pytest.mark.parametrize("script", ["echo 'VCHI initialization failed' >&2; exit 255", "echo error"])
def test_the_kernel_is_asked_where_the_firmware_does_not_answer(
    tmp_path: Path, program: Callable[[str, str], str], script: str
) -> None:
    zone(tmp_path, 0, "cpu-thermal", "48312")
    assert values(PiSensor(tmp_path, program("vcgencmd", script))) == {"soc_temperature": 48.312}


def test_other_zones_have_their_own_metrics_and_unreadable_ones_are_left_out(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "48000")
    zone(tmp_path, 1, "gpu-thermal", "-1500")
    zone(tmp_path, 2, "gpu-thermal", "47000")
    zone(tmp_path, 3, "wifi", "")
    assert values(PiSensor(tmp_path, "no-such-vcgencmd")) == {
        "soc_temperature": 48.0,
        "temperature_gpu_thermal": -1.5,
        "temperature_gpu_thermal_2": 47.0,
    }


def test_a_machine_with_neither_is_told_both(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"no-such-vcgencmd` is missing.*has no readable zone"):
        PiSensor(tmp_path, "no-such-vcgencmd").open()
