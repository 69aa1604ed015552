"""What every decoder does: bytes on a topic become readings, facts or a reasoned reject. No I/O, no clock."""

from typing import Protocol

import msgspec

from sensorline.errors import Rejected
from sensorline.reading import DeviceFacts, Reading

PAYLOAD_MAX_BYTES = 1 << 20
READINGS_MAX = 10_000
"""A single message above either limit is refused whole: it would hold up everybody else's readings."""


class Decoded(msgspec.Struct, gc=False):
    """What one message says.

    `readings` are to be stored. `state` is the last known state of a retained message without a time of its own: shown,
    never stored. `rejects` names parts of the message that could not become readings while others could. `ignored`
    says in words which members are no readings by the documented rules.
    """

    readings: list[Reading] = []
    state: list[Reading] = []
    facts: list[DeviceFacts] = []
    rejects: list[Rejected] = []
    ignored: list[str] = []


class Decoder(Protocol):
    """One payload family."""

    name: str
    filters: tuple[str, ...]
    """The MQTT topic filters that the family claims."""

    def decode(self, topic: bytes, payload: bytes, retained: bool, received_ns: int) -> Decoded:
        """Return what the message says; `received_ns` (whole milliseconds) is the time of what has none of its own.

        `retained` is the message's retain flag: the broker sent it because we subscribed, not because it is new.
        Raises Rejected when nothing of the message can be used.
        """
        ...
