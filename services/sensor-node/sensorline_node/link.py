"""What the node needs of a link to the broker. `sensorline.mqtt.MqttLink` has it, and so has the fake in the tests."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar


class Taken(Protocol):
    """Messages that arrived together: (topic, payload, packet identifier, flags, …) each."""

    @property
    def messages(self) -> Sequence[tuple[Any, ...]]:
        """The messages in the order in which they arrived."""


T = TypeVar("T", bound=Taken)


class Link(Protocol[T]):
    """One session with a broker."""

    @property
    def is_connected(self) -> bool:
        """True between the broker's CONNACK and the end of that connection."""

    @property
    def is_subscribed(self) -> bool:
        """True once the broker confirmed this connection's subscriptions: what is confirmed from then on is heard."""

    @property
    def unacknowledged_count(self) -> int:
        """How many published messages the broker has not acknowledged; without a connection, at the end of the last one."""

    @property
    def generation(self) -> int:
        """Grows with each connection; 0 before the first."""

    def take(self, timeout_s: float) -> T | None:
        """Return what has arrived, or None after `timeout_s` seconds without anything."""

    def ack(self, arrivals: T) -> None:
        """Acknowledge taken messages."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand a message to the network; False, and nothing kept, if it will not be sent."""

    def check_alive(self) -> str | None:
        """Return a sentence if only a new process can help, else None."""
