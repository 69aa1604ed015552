"""What can be set of the web service: `WEB_…` in the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from sensorline.fields import Field, SecretStr, Settings
from sensorline.settings import MqttSettings


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
    return value


def _check_origins(value: tuple[str, ...], before: Mapping[str, Any]) -> tuple[str, ...]:
    for origin in value:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            raise ValueError(
                f"expected origins such as https://example.org, comma separated; {origin[:80]!r} is none"
            )
    return value


def _check_redis(value: SecretStr, before: Mapping[str, Any]) -> SecretStr:
    url = value.get_secret_value()
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected redis://[:password@]host[:port][/db], or rediss://, unix://")
    return value


class WebSettings(Settings):
    """Where the page is served, how live it is, and what it may cost."""

    env_prefix: ClassVar[str] = "WEB_"
    title: ClassVar[str] = "Web"

    env: Literal["development", "production", "testing"] = Field(
        "production", description="configuration: `development`, `production` or `testing`"
    )
    host: str = Field(
        "127.0.0.1", min_length=1, description="address to listen on; `0.0.0.0` or `::` for every interface"
    )
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    async_mode: Literal["eventlet", "gevent", "threading"] = Field(
        "eventlet", description="how connections are served: `eventlet`, `gevent` or `threading`"
    )
    tick_ms: float = Field(
        50, ge=10, le=10_000, description="least time between two live frames to one group of browsers, ms"
    )
    gather_ms: float = Field(
        5,
        ge=0,
        le=1_000,
        description="how long the first reading after a pause waits for others of the same moment, ms",
    )
    direct_frames: bool = Field(
        True,
        description="write live frames straight to each socket; `false` sends them through Engine.IO's queues",
    )
    stalled_s: float = Field(
        10,
        ge=1,
        le=600,
        description="how long a browser may take nothing of the frame that waits for it until its connection is ended, s",
    )
    allowed_origins: tuple[str, ...] = Field(
        (),
        read=_split,
        check=_check_origins,
        description="comma separated origins, such as `https://example.org`, that may open live connections besides the page's own",
    )
    max_clients: int = Field(1_000, ge=1, le=100_000, description="live connections at most")
    max_exports: int = Field(4, ge=1, le=100, description="CSV exports that may run at the same time")
    cache_s: float = Field(
        2,
        ge=0,
        le=3_600,
        description="how long answers of chart-data, and of series for ranges in the past, are kept, s; 0 keeps none",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        check=_check_redis,
        description="`redis://host:6379/0`: keep cached answers there, shared by several processes; empty keeps them in memory",
    )
    charts_file: Path = Field(
        Path("charts.toml"), description="TOML file of named charts for chart-data; it may be absent"
    )
    broker_shown: str = Field(
        "",
        pattern=r"^(\S+:[0-9]{1,5})?$",
        description="`host:port` of the broker as the page's first hint shows it; empty shows the broker in use",
    )

    def broker_host_port(self, mqtt: MqttSettings) -> tuple[str, int]:
        """Return the broker's host and port as the page shows them to people."""
        if not self.broker_shown:
            return mqtt.host, mqtt.port
        host, _, port = self.broker_shown.rpartition(":")
        return host, int(port)
