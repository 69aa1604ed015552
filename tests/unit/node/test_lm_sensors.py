"""lm-sensors: an ASRock X300 board as the worked example, and output that is not quite JSON."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sensorline.errors import SensorError
from sensorline_node.sensors.lm_sensors import LmSensors, parse

X300 = Path(__file__).parent / "data" / "asrock_x300_sensors.json"

EXPECTED = {
    "k10temp_tctl": (43.375, "°C", "k10temp Tctl"),
    "nvme_composite": (38.85, "°C", "nvme Composite"),
    "nvme_sensor_1": (38.85, "°C", "nvme Sensor 1"),
    "nct6793_in0": (0.376, "V", "nct6793 in0"),
    "nct6793_3_3v": (3.408, "V", "nct6793 +3.3V"),
    "nct6793_fan1": (0.0, "RPM", "nct6793 fan1"),
    "nct6793_fan2": (1148.0, "RPM", "nct6793 fan2"),
    "nct6793_systin": (36.0, "°C", "nct6793 SYSTIN"),
    "nct6793_cpu0_vid": (1.1, "V", "nct6793 cpu0_vid"),
    "amdgpu_vddgfx": (0.718, "V", "amdgpu vddgfx"),
    "amdgpu_vddnb": (0.749, "V", "amdgpu vddnb"),
    "amdgpu_edge": (41.0, "°C", "amdgpu edge"),
    "amdgpu_ppt": (6.024, "W", "amdgpu PPT"),
    "sht3x_temp1": (22.61, "°C", "sht3x temp1"),
    "sht3x_humidity1": (41.87, "%", "sht3x humidity1"),
    "ina219_curr1": (0.812, "A", "ina219 curr1"),
}


def test_every_value_of_an_asrock_x300_board_has_its_metric_unit_and_name() -> None:
    found = {m.metric: (m.value, m.unit, m.name) for m in parse(X300.read_text())}
    assert found == EXPECTED


def test_limits_alarms_and_faulty_probes_are_no_readings() -> None:
    metrics = [m.metric for m in parse(X300.read_text())]
    assert not [m for m in metrics if "auxtin" in m or "intrusion" in m or "beep" in m]


def test_older_kernels_give_only_an_average_power() -> None:
    (m,) = parse('{"amdgpu-pci-0400":{"Adapter":"PCI adapter","PPT":{"power1_average":5.179}}}')
    assert (m.metric, m.value, m.unit) == ("amdgpu_ppt", 5.179, "W")


def test_two_disks_of_one_driver_stay_apart_by_their_address() -> None:
    chips = ",".join(f'"nvme-pci-0{n}00":{{"Composite":{{"temp1_input":{n}}}}}' for n in (1, 2))
    assert [m.metric for m in parse(f"{{{chips}}}")] == [
        "nvme_pci_0100_composite",
        "nvme_pci_0200_composite",
    ]


def test_a_comma_too_many_is_forgiven() -> None:
    text = (
        '{"a-isa-0":{"Adapter":"ISA",\n },"k10temp-pci-00c3":{"Adapter":"x","Tctl":{"temp1_input": 66.000,}}}'
    )
    assert [m.value for m in parse(text)] == [66.0]


@pytest.mark.parametrize("text", ["", "No sensors found!", "[1]", '{"a":1}', '{"a":'])
def test_output_that_is_no_json_is_a_sensor_error(text: str) -> None:
    with pytest.raises(SensorError, match="printed no JSON"):
        parse(text)


def test_what_the_program_complains_about_does_not_hide_what_it_found(
    program: Callable[[str, str], str],
) -> None:
    script = f"echo \"ERROR: Can't get value of subfeature temp8_input\" >&2; cat '{X300}'; exit 1"
    assert len(LmSensors(program("sensors", script)).read()) == len(EXPECTED)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'No sensors found!' >&2; exit 1", "No sensors found!; apt install lm-sensors"),
        ("echo '{}'", "found no chip"),
    ],
)
def test_a_machine_without_chips_is_told_what_to_do(
    script: str, says: str, program: Callable[[str, str], str]
) -> None:
    with pytest.raises(SensorError, match=says):
        LmSensors(program("sensors", script)).read()


def test_a_missing_program_is_named_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"is missing; apt install lm-sensors"):
        LmSensors(str(tmp_path / "sensors")).read()
