"""What can be set of a node: `NODE_…` in the environment."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from sensorline.errors import Rejected
from sensorline.fields import Field, Settings
from sensorline.topics import NAME_MAX_CHARS, check_device
from sensorline_node.patience import PATIENCE_S
from sensorline_node.sensors.base import KNOWN_SENSORS


def host_device_name() -> str:
    """Return this machine's short name as a device name; `node` if it has none that a topic can hold."""
    short = socket.gethostname().split(".", maxsplit=1)[0].strip()
    try:
        return check_device(short)
    except Rejected:
        return "node"


def _check_name(value: str, before: Mapping[str, Any]) -> str:
    try:
        return check_device(value)
    except Rejected as exc:
        raise ValueError(f"expected a device name such as `desk` or `house/attic`: {exc.detail}") from None


def _check_printable(value: str, before: Mapping[str, Any]) -> str:
    if not value.isprintable():
        raise ValueError("expected printable characters only")
    return value


def _known_sensors(value: Any) -> tuple[str, ...]:
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    names = [name for name in dict.fromkeys(names) if name != ""]
    unknown = [str(name) for name in names if name not in KNOWN_SENSORS]
    if unknown or not names:
        what = f"; not known: {', '.join(unknown)}" if unknown else ""
        raise ValueError(f"expected a comma separated list of {', '.join(KNOWN_SENSORS)}{what}")
    return tuple(names)


def _name_path(value: Path, before: Mapping[str, Any]) -> Path:
    # A device name may have slashes, a file name may not.
    name = str(before.get("name", "node")).replace("/", "-")
    return Path(str(value).replace("{name}", name))


def _name_client(value: str, before: Mapping[str, Any]) -> str:
    return value.replace("{name}", str(before.get("name", "node")))


def _address(value: Any) -> int:
    try:
        address = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        address = None
    # BME280 data sheet, section 6.2: the pin SDO chooses one of two addresses.
    if address not in (0x76, 0x77):
        raise ValueError("expected 0x76 or 0x77")
    return int(address)


def _check_file(value: Path | None, before: Mapping[str, Any]) -> Path | None:
    if value is None and "replay" in before.get("sensors", ()):
        raise ValueError("expected a CSV file, because NODE_SENSORS contains replay")
    return value


def _speed(value: Any) -> float | Literal["max"]:
    if isinstance(value, str) and value.strip().lower() == "max":
        return "max"
    try:
        speed = float(value)
    except (TypeError, ValueError):
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError("expected a number above 0, or `max`")
    return speed


class NodeSettings(Settings):
    """Which sensors to read, how often, and where readings wait until they are stored."""

    env_prefix: ClassVar[str] = "NODE_"
    title: ClassVar[str] = "Sensor node"

    name: str = Field(
        default_factory=host_device_name,
        check=_check_name,
        description="device name, the part after `sensors/` in its topics; the short host name if not set",
    )
    display_name: str = Field(
        "",
        max_length=NAME_MAX_CHARS,
        check=_check_printable,
        description="name for people; empty shows the device name",
    )
    location: str = Field(
        "", max_length=NAME_MAX_CHARS, check=_check_printable, description="where the device is, in words"
    )
    sensors: tuple[str, ...] = Field(
        ("host",), read=_known_sensors, description=f"comma separated, from: {', '.join(KNOWN_SENSORS)}"
    )
    interval_s: float = Field(
        2.0, ge=0.1, le=86_400, description="seconds between two readings of each sensor: 0.1 to 86400"
    )
    outbox_path: Path = Field(
        Path("var/node-{name}.db"),
        check=_name_path,
        description="SQLite file of readings that are not confirmed yet; `{name}` stands for the device name",
    )
    outbox_max_mb: float = Field(
        100.0,
        ge=1,
        le=1_000_000,
        description="megabytes (10^6 bytes) that readings may take while they wait, about 30 bytes each; at the limit new ones"
        " are refused, counted and told",
    )
    outbox_max_readings: int = Field(
        100_000_000,
        ge=10_000,
        le=100_000_000,
        description="how many readings may wait, if that is to be limited besides",
    )
    resend_s: float = Field(
        PATIENCE_S,
        ge=1,
        le=3_600,
        description="seconds after which an unconfirmed reading is sent again; up to ten times as long while nothing is confirmed",
    )
    client_id: str = Field(
        "sensorline-node-{name}",
        min_length=1,
        max_length=256,
        check=_name_client,
        description="MQTT client identifier, different for each node; `{name}` stands for the device name",
    )
    host_disk: Path = Field(Path("/"), description="host: a folder on the disk to watch")
    bme280_bus: int = Field(1, ge=0, le=255, description="bme280: N of /dev/i2c-N")
    bme280_address: int = Field(0x76, read=_address, description="bme280: I2C address, 0x76 or 0x77")
    simulated_seed: int = Field(
        1, ge=0, description="simulated: another number gives another course of values"
    )
    replay_file: Path | None = Field(
        None,
        check=_check_file,
        description="replay: CSV with time,metric,value[,unit], or time and one column a metric",
    )
    replay_speed: float | Literal["max"] = Field(
        1.0,
        read=_speed,
        description="replay: 1 as it was, 60 a minute in each second, `max` as fast as it is confirmed",
    )
    replay_times: Literal["file", "now"] = Field(
        "file", description="replay: `file` keeps the file's times, `now` gives each reading the present time"
    )
