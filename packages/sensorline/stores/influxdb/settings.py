"""Settings of the InfluxDB store, by the names that InfluxDB's own clients use."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from sensorline.settings import Settings


class InfluxSettings(Settings):
    """Where InfluxDB is. With a URL readings are kept there; without one they are kept in SQLite."""

    model_config = SettingsConfigDict(env_prefix="INFLUXDB_V2_")
    title: ClassVar[str] = "InfluxDB"

    url: str = Field(
        "",
        pattern="^(https?://.+)?$",
        description="`http://host:8086`: keep readings in this InfluxDB 2; empty: in SQLite",
    )
    org: str = Field("", description="organization, by name")
    token: SecretStr = Field(
        SecretStr(""),
        description="API token; each service has its own, made by `sensorline influx setup`",
    )
    bucket: str = Field(
        "readings",
        # InfluxQL takes a slash in a bucket's name for a retention policy, and a leading underscore is InfluxDB's own.
        pattern="^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        max_length=64,
        description="bucket of single readings; rollups and state go to this name with `_1m`, `_1h` and `_state`",
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

    @field_validator("org", "token")
    @classmethod
    def _with_url(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if info.data.get("url") and not text:
            raise ValueError("expected a value, because INFLUXDB_V2_URL is set")
        # It goes into a header as it is.
        if not text.isascii() and info.field_name == "token":
            raise ValueError("expected a token of ASCII characters")
        return value

    @property
    def is_chosen(self) -> bool:
        """True when readings are kept in InfluxDB."""
        return bool(self.url)


class Buckets:
    """The names of the store's four buckets."""

    def __init__(self, bucket: str) -> None:
        self.raw = bucket
        self.minutes = f"{bucket}_1m"
        self.hours = f"{bucket}_1h"
        self.state = f"{bucket}_state"

    def all(self) -> tuple[str, str, str, str]:
        """Return all four names."""
        return self.raw, self.minutes, self.hours, self.state
