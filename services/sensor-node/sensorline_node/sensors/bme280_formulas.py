"""From the BME280's raw numbers to °C, Pa and %.

Source: Bosch Sensortec, BME280 data sheet, BST-BME280-DS002: section 4.2.2 (trimming parameters), section 4.2.3 and
appendix 8.1 (compensation formulas in double precision).
"""

import struct
from typing import NamedTuple


class Calibration(NamedTuple):
    """The trimming parameters of one chip, `dig_…` in the data sheet. `has_humidity` is False for a BMP280."""

    t1: int
    t2: int
    t3: int
    p1: int
    p2: int
    p3: int
    p4: int
    p5: int
    p6: int
    p7: int
    p8: int
    p9: int
    h1: int = 0
    h2: int = 0
    h3: int = 0
    h4: int = 0
    h5: int = 0
    h6: int = 0
    has_humidity: bool = False

    @classmethod
    def from_registers(cls, first: bytes, second: bytes) -> "Calibration":
        """Return the parameters from registers 0x88…0xA1 (26 bytes) and 0xE1…0xE7 (7 bytes, none for a BMP280)."""
        temperature_and_pressure = struct.unpack("<HhhHhhhhhhhh", first[:24])
        if not second:
            return cls(*temperature_and_pressure)
        h2, h3 = struct.unpack("<hB", second[:3])
        # H4 and H5 are signed 12-bit numbers that share the byte 0xE5; the upper byte of each carries the sign.
        h4 = struct.unpack("b", second[3:4])[0] << 4 | second[4] & 0x0F
        h5 = struct.unpack("b", second[5:6])[0] << 4 | second[4] >> 4
        h6 = struct.unpack("b", second[6:7])[0]
        h1 = first[25]
        return cls._make((*temperature_and_pressure, h1, h2, h3, h4, h5, h6, True))


def t_fine(c: Calibration, raw: int) -> float:
    """Return the fine temperature that all three formulas use."""
    part_1 = (raw / 16384.0 - c.t1 / 1024.0) * c.t2
    part_2 = (raw / 131072.0 - c.t1 / 8192.0) ** 2 * c.t3
    return part_1 + part_2


def temperature(fine: float) -> float:
    """Return the temperature in °C."""
    return fine / 5120.0


def pressure(c: Calibration, raw: int, fine: float) -> float | None:
    """Return the pressure in Pa; None where the parameters would divide by zero (an empty calibration)."""
    x = fine / 2.0 - 64000.0
    offset = x * x * c.p6 / 32768.0 + x * c.p5 * 2.0
    offset = offset / 4.0 + c.p4 * 65536.0
    slope = (c.p3 * x * x / 524288.0 + c.p2 * x) / 524288.0
    slope = (1.0 + slope / 32768.0) * c.p1
    if slope == 0.0:
        return None
    p = 1048576.0 - raw
    p = (p - offset / 4096.0) * 6250.0 / slope
    return p + (c.p9 * p * p / 2147483648.0 + p * c.p8 / 32768.0 + c.p7) / 16.0


def humidity(c: Calibration, raw: int, fine: float) -> float:
    """Return the relative humidity in %, within 0…100."""
    x = fine - 76800.0
    offset = c.h4 * 64.0 + c.h5 / 16384.0 * x
    slope = c.h2 / 65536.0 * (1.0 + c.h6 / 67108864.0 * x * (1.0 + c.h3 / 67108864.0 * x))
    percent = (raw - offset) * slope
    percent *= 1.0 - c.h1 * percent / 524288.0
    return min(100.0, max(0.0, percent))
