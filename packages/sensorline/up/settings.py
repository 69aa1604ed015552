"""What can be set of `sensorline up` itself; the services' own settings are theirs."""

from pathlib import Path
from typing import ClassVar, Literal

from sensorline.fields import Field, Settings


class UpSettings(Settings):
    """Where `sensorline up` keeps its files and which broker it starts."""

    env_prefix: ClassVar[str] = "UP_"
    title: ClassVar[str] = "sensorline up"

    folder: Path = Field(
        Path("var"),
        description="folder of the database, the broker's state and the node's outbox; it is created",
    )
    broker: Literal["auto", "mosquitto", "amqtt"] = Field(
        "auto",
        description="broker to start without MQTT_URL or MQTT_HOST: `mosquitto`, `amqtt`, or `auto`, the first one found",
    )
