"""Sensors by name. Each is imported only when it is chosen, so a node starts without the others' libraries."""

from sensorline_node.sensors.base import KNOWN_SENSORS, Sensor
from sensorline_node.settings import NodeSettings


def build(name: str, settings: NodeSettings) -> Sensor:
    """Return the sensor of that name, not yet opened. Raises ValueError for a name outside KNOWN_SENSORS."""
    match name:
        case "host":
            from sensorline_node.sensors.host import HostSensor

            return HostSensor(disk=settings.host_disk)
        case "pi":
            from sensorline_node.sensors.pi import PiSensor

            return PiSensor()
        case "lm_sensors":
            from sensorline_node.sensors.lm_sensors import LmSensors

            return LmSensors()
        case "bme280":
            from sensorline_node.sensors.bme280 import Bme280

            return Bme280(bus_number=settings.bme280_bus, address=settings.bme280_address)
        case "simulated":
            from sensorline_node.sensors.simulated import SimulatedSensor

            return SimulatedSensor(seed=settings.simulated_seed)
        case "replay":
            from sensorline_node.sensors.replay import ReplaySensor

            assert settings.replay_file is not None, "settings ask for a file with `replay`"
            speed = None if settings.replay_speed == "max" else settings.replay_speed
            return ReplaySensor(
                settings.replay_file, speed=speed, keeps_times=settings.replay_times == "file"
            )
    raise ValueError(f"no sensor {name!r}; known: {', '.join(KNOWN_SENSORS)}")
