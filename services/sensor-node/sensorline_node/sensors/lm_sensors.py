"""Everything that lm-sensors finds on a board: temperatures, fans, power, voltages, by `sensors -j`."""

import re
from collections import Counter
from typing import Any

import msgspec

from sensorline.errors import SensorError
from sensorline_node.sensors.base import Measurement, slug
from sensorline_node.sensors.programs import output_of

_UNITS = {
    "temp": "°C",
    "fan": "RPM",
    "in": "V",
    "curr": "A",
    "power": "W",
    "energy": "J",
    "humidity": "%",
}
"""Kinds of features and the units in which lm-sensors prints them (sensors(1); Linux, Documentation/hwmon/sysfs-interface)."""

_VALUE = re.compile(r"(temp|fan|in|curr|power|energy|humidity)\d+_(input|average)|(cpu)\d+_vid")
_FAULT = re.compile(r"[a-z]+\d+_fault")

_CHIP = re.compile(r"(.+?)-(?:isa|pci|i2c|spi|virtual|acpi|hid|mdio|scsi|sdio|usb)-")
"""`k10temp-pci-00c3` is the driver's name, the bus and the address on it."""

_SPARE_COMMA = re.compile(r",(?=\s*[}\]])")

_HOW = "apt install lm-sensors, then run sensors-detect once"


class LmSensors:
    """Every value of every chip. The metric is `<driver>_<label>`, such as `k10temp_tctl` or `amdgpu_ppt`.

    With several chips of one driver (two NVMe disks) the bus address is part of it: `nvme_pci_0100_composite`.
    `program` is another one for tests.
    """

    name = "lm_sensors"
    is_simulated = False

    def __init__(self, program: str = "sensors") -> None:
        self._program = program

    def open(self) -> None:
        """Nothing is kept open; read() says what is missing."""

    def read(self) -> list[Measurement]:
        """Return what the chips give now. Raises SensorError if the program is missing or gives nothing."""
        out = parse(output_of(self.name, [self._program, "-j"], _HOW))
        if not out:
            raise SensorError(self.name, f"`{self._program} -j` found no chip with a value; {_HOW}")
        return out

    def close(self) -> None:
        """Nothing is kept open."""


def parse(text: str) -> list[Measurement]:
    """Return the measurements in the output of `sensors -j`; limits and alarms are left out, faulty ones too.

    Raises SensorError if it is not JSON. The comma too many that lm-sensors up to 3.6.0 prints after a chip whose
    features are all ignored is forgiven.
    """
    try:
        chips = _decode(text)
    except msgspec.DecodeError:
        try:
            chips = _decode(_SPARE_COMMA.sub("", text))
        except msgspec.DecodeError as exc:
            raise SensorError("lm_sensors", f"`sensors -j` printed no JSON: {exc}") from exc
    drivers = {chip: _driver(chip) for chip in chips}
    drivers_seen = Counter(drivers.values())
    out = []
    for chip, features in chips.items():
        prefix = drivers[chip] if drivers_seen[drivers[chip]] == 1 else chip
        for label, values in features.items():
            # Beside the features stands the text `Adapter`.
            found = _value(values) if isinstance(values, dict) else None
            if found is not None:
                metric = f"{slug(prefix)}_{slug(label)}"
                out.append(Measurement(metric, found[0], found[1], name=f"{prefix} {label}"))
    return out


def _decode(text: str) -> dict[str, dict[str, Any]]:
    return msgspec.json.decode(text, type=dict[str, dict[str, Any]])


def _driver(chip: str) -> str:
    match = _CHIP.match(chip)
    return match[1] if match else chip


def _value(feature: dict[str, Any]) -> tuple[float, str] | None:
    """Return a feature's value and unit; None if it has none, or the chip says that its probe is faulty."""
    found: dict[str, tuple[float, str]] = {}
    for key, value in feature.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if _FAULT.fullmatch(key) and value:
            return None
        match = _VALUE.fullmatch(key)
        if match:
            found[match[2] or "input"] = (float(value), _UNITS[match[1]] if match[1] else "V")
    # A power meter has an instantaneous value, an average, or both (amdgpu: by kernel version).
    return found.get("input") or found.get("average")
