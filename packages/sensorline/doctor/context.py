"""What every check is given: settings, where things are, and until when it may take."""

import time
from pathlib import Path

import msgspec

from sensorline.settings import DecodingSettings, MqttSettings, StoreSettings
from sensorline.stores.influxdb.settings import InfluxSettings

TAKES_AT_MOST_S = 26.0
"""All of it ends within 30 s, with time to put things back."""
MESSAGES_PER_S = 2_000
"""How fast a slow machine and a broker exchange test messages; a larger --queue is given the time that it needs."""
QUEUE_WANTED = 20_000


class Context(msgspec.Struct, frozen=True):
    """The settings in force, and what the command line says besides."""

    mqtt: MqttSettings
    store: StoreSettings
    influx: InfluxSettings
    decoding: DecodingSettings
    batch_max: int
    """INGEST_BATCH_MAX: how many messages ingest commits together."""
    ingest_url: str
    web_url: str
    queue_wanted: int
    """How many messages to have the broker keep, when its queue is measured."""
    mosquitto_conf: Path | None
    secret_files: tuple[str, ...]
    """Names of settings that name files with secrets."""
    begun_s: float

    @property
    def takes_at_most_s(self) -> float:
        """How long all of it may take."""
        return TAKES_AT_MOST_S + max(self.queue_wanted - QUEUE_WANTED, 0) / MESSAGES_PER_S

    @property
    def left_s(self) -> float:
        """Seconds until everything has to be over; below 0 afterwards."""
        return self.begun_s + self.takes_at_most_s - time.monotonic()


def in_words(count: float, unit: str) -> str:
    """Return `1 message`, `2 messages`; large numbers with separators."""
    return f"{count:,.0f} {unit}{'' if round(count) == 1 else 's'}"


def in_bytes(size: float) -> str:
    """Return a size for people: 512 bytes, 1.5 MB, 3 GB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"
