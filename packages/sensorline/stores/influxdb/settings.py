"""Settings of the InfluxDB store, by the names that InfluxDB's own clients use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from sensorline.fields import Field, SecretStr, Settings


def _check_org(value: str, before: Mapping[str, Any]) -> str:
    if before.get("url") and not value:
        raise ValueError("expected a value, because INFLUXDB_V2_URL is set")
    return value


def _check_token(value: SecretStr, before: Mapping[str, Any]) -> SecretStr:
    text = value.get_secret_value()
    _check_org(text, before)
    # It goes into a header as it is.
    if not text.isascii():
        raise ValueError("expected a token of ASCII characters")
    return value


class InfluxSettings(Settings):
    """Where InfluxDB is. With a URL readings are kept there; without one they are kept in SQLite."""

    env_prefix: ClassVar[str] = "INFLUXDB_V2_"
    title: ClassVar[str] = "InfluxDB"

    url: str = Field(
        "",
        pattern="^(https?://.+)?$",
        description="`http://host:8086`: keep readings in this InfluxDB 2; empty: in SQLite",
    )
    org: str = Field("", check=_check_org, description="organization, by name")
    token: SecretStr = Field(
        SecretStr(""),
        check=_check_token,
        description="API token; each service has its own, made by `sensorline influx setup`",
    )
    bucket: str = Field(
        "readings",
        # InfluxQL takes a slash in a bucket's name for a retention policy, and a leading underscore is InfluxDB's own.
        pattern="^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        max_length=64,
        description="bucket of single readings; rollups and state go to this name with `_1m`, `_1h`, `_12h` and `_state`",
    )
    timeout: int = Field(
        30_000,
        ge=100,
        le=100_000,
        description="milliseconds (the conventional name has no unit) until a request is given up; InfluxDB itself gives up a write after 10,000",
    )
    verify_ssl: bool = Field(True, description="check the server's certificate")
    ssl_ca_cert: Path | None = Field(
        None, description="PEM file of the authorities to trust instead of the system's"
    )

    @property
    def is_chosen(self) -> bool:
        """True when readings are kept in InfluxDB."""
        return bool(self.url)


class Buckets:
    """The names of the store's five buckets."""

    def __init__(self, bucket: str) -> None:
        self.raw = bucket
        self.minutes = f"{bucket}_1m"
        self.hours = f"{bucket}_1h"
        self.half_days = f"{bucket}_12h"
        self.state = f"{bucket}_state"

    def all(self) -> tuple[str, ...]:
        """Return all names."""
        return self.raw, self.minutes, self.hours, self.half_days, self.state
