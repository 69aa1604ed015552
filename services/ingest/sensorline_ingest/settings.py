"""Settings of ingest."""

from typing import Any, ClassVar

from sensorline.fields import Field, Settings


def _separated(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


class IngestSettings(Settings):
    """How ingest works through what the broker hands over."""

    env_prefix: ClassVar[str] = "INGEST_"
    title: ClassVar[str] = "Ingest"

    client_id: str = Field(
        "sensorline-ingest",
        min_length=1,
        max_length=128,
        description="name of the session that the broker keeps for ingest; one ingest at a time holds it",
    )
    topics: tuple[str, ...] = Field(
        (),
        read=_separated,
        description="topic filters to subscribe to, separated by commas; empty: what the decoders understand",
    )
    qos: int = Field(
        1, ge=0, le=1, description="quality of service to subscribe with; 0 gives up all guarantees"
    )
    batch_max: int = Field(1_000, ge=1, le=50_000, description="most messages committed together")
    linger_ms: float = Field(
        5.0,
        ge=0,
        le=1_000,
        description="milliseconds to wait for company after the first message of a batch; again, up to eight times, while they stream in",
    )
    max_metrics_per_device: int = Field(
        1_000, ge=1, le=1_000_000, description="metrics of one device; a further one is rejected"
    )
    max_series: int = Field(
        100_000, ge=1, le=10_000_000, description="series in all; a further one is rejected"
    )
    http_host: str = Field("127.0.0.1", description="address of `/healthz`, `/readyz` and `/metrics`")
    http_port: int = Field(8001, ge=0, le=65_535, description="port of the same; 0 takes a free one")
