"""BME280: Bosch's worked numbers, the register layout on a fake bus, and what is said when nothing answers."""

import struct

import pytest

from sensorline.errors import SensorError
from sensorline_node.sensors.bme280 import Bme280, open_smbus
from sensorline_node.sensors.bme280_formulas import Calibration, humidity, pressure, t_fine, temperature

# Bosch, BMP280 data sheet BST-BMP280-DS001, section 3.12: the worked example, with the same formulas as the BME280.
WORKED = Calibration(27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
ADC_T, ADC_P, ADC_H = 519888, 415148, 26500
H1, H2, H3, H4, H5, H6 = 75, 354, 0, 340, -50, 30


class Registers:
    """A bus with one chip: serves registers and notes what was written."""

    def __init__(self, chip: int = 0x60, address: int = 0x76) -> None:
        self.address = address
        self.memory = bytearray(256)
        self.memory[0xD0] = chip
        self.memory[0x88:0xA0] = struct.pack("<HhhHhhhhhhhh", *WORKED[:12])
        self.memory[0xA1] = H1
        self.memory[0xE1:0xE8] = struct.pack(
            "<hBbBbb", H2, H3, H4 >> 4, (H4 & 0xF) | (H5 & 0xF) << 4, H5 >> 4, H6
        )
        self.put_data(ADC_P, ADC_T, ADC_H)
        self.busy_reads = 2
        self.written: list[tuple[int, int]] = []
        self.is_closed = False

    def put_data(self, adc_p: int, adc_t: int, adc_h: int) -> None:
        raw = (adc_p << 4).to_bytes(3, "big") + (adc_t << 4).to_bytes(3, "big") + adc_h.to_bytes(2, "big")
        self.memory[0xF7:0xFF] = raw

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        if i2c_addr != self.address:
            raise OSError(121, "Remote I/O error")
        if register == 0xF3:
            self.busy_reads -= 1
            return [0b1000 if self.busy_reads >= 0 else 0]
        return list(self.memory[register : register + length])

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self.written.append((register, value))

    def close(self) -> None:
        self.is_closed = True


def integer_humidity(c: Calibration, raw: int, fine: int) -> float:
    """The data sheet's other formula (section 4.2.3, 32-bit integers): an independent check of the float version."""
    v = fine - 76800
    left = ((raw << 14) - (c.h4 << 20) - c.h5 * v + 16384) >> 15
    right = ((((v * c.h6) >> 10) * (((v * c.h3) >> 11) + 32768)) >> 10) + 2097152
    v = left * ((right * c.h2 + 8192) >> 14)
    v -= ((((v >> 15) * (v >> 15)) >> 7) * c.h1) >> 4
    return (min(max(v, 0), 419430400) >> 12) / 1024


def test_boschs_worked_temperature_and_pressure_come_out() -> None:
    fine = t_fine(WORKED, ADC_T)
    assert round(temperature(fine), 2) == 25.08
    assert pressure(WORKED, ADC_P, fine) == pytest.approx(100653.27, abs=0.01)


@pytest.mark.parametrize("raw", [18_000, 22_000, 26_500, 31_000, 36_000])
@pytest.mark.parametrize("adc_t", [450_000, 519_888, 600_000])
def test_humidity_agrees_with_the_data_sheets_integer_formula(raw: int, adc_t: int) -> None:
    c = WORKED._replace(h1=H1, h2=H2, h3=H3, h4=H4, h5=H5, h6=H6, has_humidity=True)
    fine = t_fine(c, adc_t)
    assert humidity(c, raw, fine) == pytest.approx(integer_humidity(c, raw, int(fine)), abs=0.05)


def test_humidity_stays_within_its_range() -> None:
    c = WORKED._replace(h1=H1, h2=H2, h4=H4, has_humidity=True)
    assert humidity(c, 0, t_fine(c, ADC_T)) == 0.0
    assert humidity(c, 65_535, t_fine(c, ADC_T)) == 100.0


def test_an_empty_calibration_gives_no_pressure_instead_of_a_crash() -> None:
    assert pressure(Calibration(*[0] * 12), ADC_P, 0.0) is None


def test_registers_become_calibration_with_the_shared_byte_and_signs() -> None:
    bus = Registers()
    c = Calibration.from_registers(bytes(bus.memory[0x88:0xA2]), bytes(bus.memory[0xE1:0xE8]))
    assert c[:12] == WORKED[:12]
    assert (c.h1, c.h2, c.h3, c.h4, c.h5, c.h6) == (H1, H2, H3, H4, H5, H6)


def test_one_read_is_one_forced_measurement_of_three_values() -> None:
    bus = Registers()
    sensor = Bme280(open_bus=lambda number: bus)
    sensor.open()
    measured = sensor.read()
    assert bus.written == [(0xF2, 0x01), (0xF4, 0x25)]
    assert [(m.metric, m.unit) for m in measured] == [
        ("temperature", "°C"),
        ("pressure", "hPa"),
        ("humidity", "%"),
    ]
    assert measured[0].value == 25.08
    assert measured[1].value == 1006.53
    assert 0 < measured[2].value < 100
    sensor.close()
    assert bus.is_closed


def test_a_bmp280_has_no_humidity() -> None:
    bus = Registers(chip=0x58)
    sensor = Bme280(open_bus=lambda number: bus)
    sensor.open()
    assert [m.metric for m in sensor.read()] == ["temperature", "pressure"]
    assert bus.written == [(0xF4, 0x25)]


@pytest.mark.parametrize(
    ("bus", "says"),
    [
        (Registers(address=0x77), r"nothing answers at 0x76 on /dev/i2c-1.*NODE_BME280_ADDRESS=0x77"),
        (Registers(chip=0x61), r"has the number 0x61; expected 0x60"),
    ],
)
def test_another_chip_or_none_is_said_with_what_to_do(bus: Registers, says: str) -> None:
    with pytest.raises(SensorError, match=says):
        Bme280(open_bus=lambda number: bus).open()


def test_a_measurement_that_never_ends_is_an_error() -> None:
    bus = Registers()
    bus.busy_reads = 10_000
    sensor = Bme280(open_bus=lambda number: bus)
    sensor.open()
    with pytest.raises(SensorError, match="did not end it"):
        sensor.read()


def test_data_at_its_reset_value_is_no_reading() -> None:
    bus = Registers()
    bus.put_data(0x80000, 0x80000, 0x8000)
    sensor = Bme280(open_bus=lambda number: bus)
    sensor.open()
    with pytest.raises(SensorError, match="measured nothing"):
        sensor.read()


def test_a_machine_without_the_bus_is_told_how_to_enable_it() -> None:
    with pytest.raises(SensorError, match=r"/dev/i2c-250 does not exist; enable I2C"):
        open_smbus(250)
