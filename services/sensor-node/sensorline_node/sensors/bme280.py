"""Bosch BME280 (temperature, pressure, humidity) and BMP280 (without humidity) over I2C.

Source: Bosch Sensortec, BME280 data sheet, BST-BME280-DS002 (sections as noted).
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from sensorline.errors import SensorError
from sensorline_node.sensors.base import Measurement
from sensorline_node.sensors.bme280_formulas import Calibration, humidity, pressure, t_fine, temperature

CHIP_ID, CTRL_HUM, STATUS, CTRL_MEAS, DATA = 0xD0, 0xF2, 0xF3, 0xF4, 0xF7
"""Registers, section 5.3 (memory map)."""

BME280_ID = 0x60
BMP280_IDS = frozenset({0x56, 0x57, 0x58})
"""Values of register 0xD0; those of the BMP280 are in its own data sheet, section 4.3.1."""

OVERSAMPLING_1 = 0b001
FORCED = 0b01
"""Section 3.5.1 (weather monitoring) recommends one forced measurement with oversampling 1 for each reading."""

MEASURING = 0b1000
MEASURE_STEP_S = 0.002
MEASURE_STEPS_MAX = 50
"""Section 9.1: at oversampling 1 a measurement takes at most 9.3 ms; 100 ms without an end is a broken chip."""

SKIPPED_20_BIT, SKIPPED_16_BIT = 0x80000, 0x8000
"""Sections 5.4.7 to 5.4.9: a data register that was never written holds its reset value."""


class Bus(Protocol):
    """What is used of `smbus2.SMBus`."""

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Return `length` bytes from `register` on."""

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> Any:
        """Write one register."""

    def close(self) -> None:
        """Close the bus."""


def open_smbus(number: int) -> Bus:
    """Return the bus /dev/i2c-N. Raises SensorError that says what is missing."""
    try:
        import smbus2
    except ImportError:
        raise SensorError(
            "bme280", "the Python package smbus2 is missing; pip install 'sensorline[node]'"
        ) from None
    device = f"/dev/i2c-{number}"
    try:
        bus: Bus = smbus2.SMBus(number)
    except FileNotFoundError:
        raise SensorError(
            "bme280",
            f"{device} does not exist; enable I2C (raspi-config nonint do_i2c 0) or set NODE_BME280_BUS",
        ) from None
    except PermissionError:
        raise SensorError("bme280", f"{device} may not be opened; add this user to the group i2c") from None
    return bus


class Bme280:
    """Temperature in °C, pressure in hPa and (BME280) relative humidity in %. One measurement for each read."""

    name = "bme280"
    is_simulated = False

    def __init__(
        self, bus_number: int = 1, address: int = 0x76, open_bus: Callable[[int], Bus] = open_smbus
    ) -> None:
        self._bus_number = bus_number
        self._address = address
        self._open_bus = open_bus
        self._bus: Bus | None = None
        self._calibration: Calibration | None = None

    def open(self) -> None:
        """Find the chip and read its calibration. Raises SensorError."""
        self._bus = self._open_bus(self._bus_number)
        chip = self._read(CHIP_ID, 1)[0]
        if chip != BME280_ID and chip not in BMP280_IDS:
            raise SensorError(
                self.name,
                f"the chip at {self._address:#04x} has the number {chip:#04x}; expected {BME280_ID:#04x} (BME280) or 0x58 (BMP280)",
            )
        first = self._read(0x88, 26)
        second = self._read(0xE1, 7) if chip == BME280_ID else b""
        self._calibration = Calibration.from_registers(first, second)

    def read(self) -> list[Measurement]:
        """Measure once. Raises SensorError if the chip does not answer or gives nothing."""
        calibration = self._calibration
        assert calibration is not None, "open() comes first"
        if calibration.has_humidity:
            # Section 5.4.3: it takes effect with the next write of CTRL_MEAS.
            self._write(CTRL_HUM, OVERSAMPLING_1)
        self._write(CTRL_MEAS, OVERSAMPLING_1 << 5 | OVERSAMPLING_1 << 2 | FORCED)
        for _ in range(MEASURE_STEPS_MAX):
            time.sleep(MEASURE_STEP_S)
            if not self._read(STATUS, 1)[0] & MEASURING:
                break
        else:
            raise SensorError(
                self.name, "the chip began a measurement and did not end it; power it off and on"
            )
        data = self._read(DATA, 8 if calibration.has_humidity else 6)
        # Section 5.4.7 and 5.4.8: 20 bits, most significant byte first, the last four in the upper half of a byte.
        raw_pressure = data[0] << 12 | data[1] << 4 | data[2] >> 4
        raw_temperature = data[3] << 12 | data[4] << 4 | data[5] >> 4
        if raw_temperature == SKIPPED_20_BIT:
            raise SensorError(
                self.name, "the chip measured nothing (its data register is at the reset value)"
            )
        fine = t_fine(calibration, raw_temperature)
        out = [Measurement("temperature", round(temperature(fine), 2), "°C", name="Temperature")]
        pascal = pressure(calibration, raw_pressure, fine) if raw_pressure != SKIPPED_20_BIT else None
        if pascal is not None:
            out.append(Measurement("pressure", round(pascal / 100, 2), "hPa", name="Air pressure"))
        if calibration.has_humidity and (raw_humidity := data[6] << 8 | data[7]) != SKIPPED_16_BIT:
            percent = humidity(calibration, raw_humidity, fine)
            out.append(Measurement("humidity", round(percent, 2), "%", name="Humidity"))
        return out

    def close(self) -> None:
        """Close the bus."""
        bus, self._bus = self._bus, None
        if bus is not None:
            bus.close()

    def _read(self, register: int, length: int) -> bytes:
        assert self._bus is not None, "open() comes first"
        try:
            return bytes(self._bus.read_i2c_block_data(self._address, register, length))
        except OSError as exc:
            raise self._silent(exc) from exc

    def _write(self, register: int, value: int) -> None:
        assert self._bus is not None, "open() comes first"
        try:
            self._bus.write_byte_data(self._address, register, value)
        except OSError as exc:
            raise self._silent(exc) from exc

    def _silent(self, exc: OSError) -> SensorError:
        other = 0x77 if self._address == 0x76 else 0x76
        return SensorError(
            self.name,
            f"nothing answers at {self._address:#04x} on /dev/i2c-{self._bus_number} ({exc.strerror or exc});"
            f" check the wires, or set NODE_BME280_ADDRESS={other:#04x}",
        )
