"""The stack's volumes: their names, who owns them, and how a secret is written into one."""

import os
from pathlib import Path
from typing import NamedTuple

SENSORLINE_UID = 10001
"""The user of Sensorline's images, and of the broker's container: who adds a device may signal the broker."""

INFLUXDB_UID = 1000
"""The user influxdb of the official image (its Dockerfile)."""

SIMULATED = ("office", "kitchen", "workshop")
"""Rooms of the profile `simulate`; each is a device simulated/ROOM."""

THIS_MACHINE = "this-machine"
"""Device name of the service sensor-node."""


class Volume(NamedTuple):
    """A volume by its name in docker-compose.yml, and who its folder belongs to. `is_saved`: part of a backup."""

    name: str
    uid: int = SENSORLINE_UID
    gid: int = SENSORLINE_UID
    mode: int = 0o700
    is_saved: bool = True


VOLUMES = (
    # Configuration, password file and certificate of the broker.
    Volume("broker-config"),
    Volume("broker-data"),
    # Made anew by InfluxDB's own image from the secrets; what it holds is saved by `influx backup`.
    Volume("influxdb-config", INFLUXDB_UID, INFLUXDB_UID, is_saved=False),
    Volume("influxdb-data", INFLUXDB_UID, INFLUXDB_UID, is_saved=False),
    Volume("influxdb-backup", INFLUXDB_UID, INFLUXDB_UID),
    # The group: the job that makes tokens reads the operator's.
    Volume("secrets-influxdb", INFLUXDB_UID, SENSORLINE_UID, 0o750),
    Volume("secrets-ingest"),
    Volume("secrets-web"),
    Volume("secrets-node"),
    Volume("secrets-admin"),
    *(Volume(f"secrets-simulated-{room}") for room in SIMULATED),
    # The key of the authority that signs the broker's certificate: no service sees it.
    Volume("authority", 0, 0),
    Volume("ingest-state"),
    Volume("node-outbox"),
)


def accounts() -> dict[str, str]:
    """Return who connects to the broker: user name → volume with its password."""
    services = {"ingest": "secrets-ingest", "web": "secrets-web", "admin": "secrets-admin"}
    simulated = {f"simulated/{room}": f"secrets-simulated-{room}" for room in SIMULATED}
    return services | {THIS_MACHINE: "secrets-node"} | simulated


PASSWORD_FILE = "mqtt-password"  # noqa: S105 - a file's name
TOKEN_FILE = "influxdb-token"  # noqa: S105 - a file's name
OPERATOR_TOKEN_FILE = "operator-token"  # noqa: S105 - a file's name
LOGIN_PASSWORD_FILE = "password"  # noqa: S105 - a file's name


def write(path: Path, content: str | bytes, owner: tuple[int, int], mode: int) -> bool:
    """Make a file have this content, owner (user, group) and mode, whole or not at all; False if it had the content.

    Raises OSError.
    """
    data = content.encode() if isinstance(content, str) else content
    uid, gid = owner
    if path.is_file() and path.read_bytes() == data:
        own(path, uid, gid, mode)
        return False
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    own(beside, uid, gid, mode)
    beside.replace(path)
    return True


def own(path: Path, uid: int, gid: int, mode: int) -> None:
    """Give a file or folder an owner and a mode, where it has others. Raises OSError."""
    now = path.stat()
    if (now.st_uid, now.st_gid) != (uid, gid):
        os.chown(path, uid, gid)
    if now.st_mode & 0o7777 != mode:
        path.chmod(mode)
