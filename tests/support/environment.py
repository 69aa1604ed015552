"""The environment of a test: nothing of what the developer has set for Sensorline."""

import os
from collections.abc import Mapping

PREFIXES = (
    "MQTT_",
    "STORE_",
    "INFLUXDB_V2_",
    "DECODE_",
    "INGEST_",
    "WEB_",
    "NODE_",
    "UP_",
    "LOG_",
    "SENSORLINE_",
)


def is_setting(name: str) -> bool:
    """Tell whether an environment variable is one of Sensorline's settings."""
    return name.upper().startswith(PREFIXES)


def clean_environment(settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """Return this process's environment without any setting, and with `settings` added as text."""
    kept = {name: value for name, value in os.environ.items() if not is_setting(name)}
    return kept | {name: str(value) for name, value in (settings or {}).items()}


def is_ci() -> bool:
    """Tell whether this is a machine for continuous integration, where nothing is left out unless it is said."""
    return os.environ.get("CI", "").lower() in ("true", "1")
