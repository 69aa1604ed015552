"""Announcements: what a device says of itself, retained, at the beginning of each connection."""

from collections.abc import Sequence
from typing import Any

import structlog

from sensorline import topics
from sensorline_node.link import Link
from sensorline_node.suspicion import STRIKES_MAX

log = structlog.get_logger()

Message = tuple[str, bytes]
"""Last level of the topic, payload."""


class Announcements:
    """Publishes `$meta`, `$status` and the like. One that the broker does not take is left out, and from then on all of its topic that
    are as large, so that readings flow all the same.

    Only the connection's end tells that it does not (see `suspicion`): so after a connection that ended with anything
    unacknowledged these go one by one, too, each when the one before has been acknowledged.
    """

    def __init__(self, device: str, link: Link[Any]) -> None:
        self._topic = f"{topics.SENSORS}/{device}"
        self._link = link
        self._pending: list[Message] = []
        self._is_careful = False
        self._alone: Message | None = None
        self._strikes: dict[str, int] = {}
        self._too_large: dict[str, int] = {}

    def begin(self, messages: Sequence[Message]) -> None:
        """Take up what is to be said on a new connection; `advance()` says it."""
        self._pending = list(messages)

    def advance(self) -> bool:
        """Publish what can be published now; True when nothing is left to say."""
        while True:
            if self._is_careful and self._link.unacknowledged_count:
                return False
            if self._alone is not None:
                self._strikes.pop(self._alone[0], None)
            self._alone = None
            if not self._pending:
                self._is_careful = False
                return True
            leaf, payload = self._pending[0]
            if not self.say(leaf, payload):
                return False
            message = self._pending.pop(0)
            self._alone = message if self._is_careful else None

    def say(self, leaf: str, payload: bytes) -> bool:
        """Publish one message; False if the link does not take it. True also for what the broker never takes."""
        if len(payload) >= self._too_large.get(leaf, len(payload) + 1):
            return True
        return self._link.publish(f"{self._topic}/{leaf}", payload, qos=1, retain=True)

    def ended(self, unacknowledged: int) -> None:
        """Draw the conclusions from the end of a connection with so many unacknowledged packets."""
        message, self._alone = self._alone, None
        self._pending.clear()
        if not unacknowledged:
            return
        self._is_careful = True
        if message is None:
            return
        leaf, payload = message
        self._strikes[leaf] = self._strikes.get(leaf, 0) + 1
        if self._strikes[leaf] >= STRIKES_MAX:
            self._too_large[leaf] = len(payload)
            log.error(
                "announcement_left_out",
                topic=f"{self._topic}/{leaf}",
                bytes=len(payload),
                detail=f"the broker ended the connection {STRIKES_MAX} times when it was sent, and nothing else",
            )
