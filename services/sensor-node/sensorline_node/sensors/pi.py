"""The temperature of a Raspberry Pi's chip, or of whatever zones the kernel knows on another small computer."""

import re
from pathlib import Path

from sensorline.errors import SensorError
from sensorline_node.sensors.base import Measurement, slug
from sensorline_node.sensors.programs import output_of

_SOC_ZONES = frozenset({"cpu-thermal", "cpu_thermal", "soc-thermal", "soc_thermal", "bcm2835_thermal"})
"""Zone types under which kernels for the Raspberry Pi and similar boards list the system on chip."""

_HOW = "run on a Raspberry Pi, or take `pi` out of NODE_SENSORS"


class PiSensor:
    """`vcgencmd measure_temp` where it works, else /sys/class/thermal.

    Metrics: `soc_temperature`, and `temperature_<type>` for zones that are not the chip. `root` is the folder that
    stands for /, and `vcgencmd` the program; both are for tests.
    """

    name = "pi"
    is_simulated = False

    def __init__(self, root: Path = Path("/"), vcgencmd: str = "vcgencmd") -> None:
        self._zones = root / "sys/class/thermal"
        self._vcgencmd = vcgencmd
        self._uses_vcgencmd = False

    def open(self) -> None:
        """Find out which way works. Raises SensorError if none does."""
        try:
            self._ask_firmware()
            self._uses_vcgencmd = True
        except SensorError as exc:
            self._uses_vcgencmd = False
            if not self._read_zones():
                raise SensorError(
                    self.name, f"no temperature: {exc.detail}, and {self._zones} has no readable zone"
                ) from None

    def read(self) -> list[Measurement]:
        """Return the temperatures in °C. Raises SensorError if there is none."""
        if self._uses_vcgencmd:
            return [self._ask_firmware()]
        out = self._read_zones()
        if not out:
            raise SensorError(self.name, f"{self._zones} has no readable zone any more")
        return out

    def close(self) -> None:
        """Nothing is kept open."""

    def _ask_firmware(self) -> Measurement:
        text = output_of(self.name, [self._vcgencmd, "measure_temp"], _HOW)
        match = re.search(r"temp=(-?\d+(?:\.\d+)?)", text)
        if not match:
            raise SensorError(
                self.name, f"`{self._vcgencmd} measure_temp` said {text.strip()[:60]!r}; expected temp=48.3'C"
            )
        return Measurement("soc_temperature", float(match[1]), "°C", name="Chip temperature")

    def _read_zones(self) -> list[Measurement]:
        out: dict[str, Measurement] = {}
        for zone in sorted(self._zones.glob("thermal_zone*")):
            try:
                kind = (zone / "type").read_text().strip()
                # Linux, Documentation/driver-api/thermal/sysfs-api.rst: millidegrees Celsius.
                value = int((zone / "temp").read_text()) / 1000
            except (OSError, ValueError):
                continue  # A zone that is switched off gives an error; the others are still good.
            metric = "soc_temperature" if kind in _SOC_ZONES else f"temperature_{slug(kind)}"
            if metric in out:
                metric = f"{metric}_{zone.name.removeprefix('thermal_zone')}"
            name = "Chip temperature" if metric == "soc_temperature" else kind
            out[metric] = Measurement(metric, value, "°C", name=name)
        return list(out.values())
