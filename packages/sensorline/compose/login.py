"""The first login: what a person needs who looks into the stack."""

from collections.abc import Iterator
from pathlib import Path

from sensorline.compose.volumes import LOGIN_PASSWORD_FILE, PASSWORD_FILE
from sensorline.errors import SensorlineError

USER = "admin"
"""InfluxDB's first user (docker-compose.yml), and the broker's user for people."""


def first_login(folder: Path) -> Iterator[str]:
    """Yield lines with the logins of InfluxDB and of the broker. Raises SensorlineError if there are none yet."""
    try:
        influxdb = (folder / "secrets-influxdb" / LOGIN_PASSWORD_FILE).read_text().strip()
        broker = (folder / "secrets-admin" / PASSWORD_FILE).read_text().strip()
    except FileNotFoundError:
        raise SensorlineError("there is no login yet: docker compose up -d makes it") from None
    yield "first login, shown this once; `docker compose run --rm init login` shows it again"
    yield f"  InfluxDB      user {USER}   password {influxdb}"
    yield f"  MQTT broker   user {USER}   password {broker}"
