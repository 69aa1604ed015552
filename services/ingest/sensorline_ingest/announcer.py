"""What ingest tells the world over MQTT: confirmations, rejects, its own status."""

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from sensorline import __version__, topics
from sensorline.events import EventMessage
from sensorline.mqtt import Will
from sensorline.reading import Batch, DeadLetter
from sensorline_ingest.confirmations import durable_seqs

STATUS_INTERVAL_S = 2.0
PREVIEW_CHARS = 200

_encode = msgspec.json.Encoder().encode


class Publisher(Protocol):
    """The part of the link that the announcer needs."""

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand over a message; False while there is no connection."""
        ...

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Hand over QoS 0 messages, (topic, payload) each, as one write."""
        ...


class Instance(msgspec.Struct, frozen=True):
    """Who this ingest is, for people and for a second ingest that wants the same session."""

    host: str
    pid: int
    store: str
    session: str
    started_at: str
    machine: str = ""

    @staticmethod
    def here(store: str, session: str) -> "Instance":
        """Return this process, which writes `store` and wants the broker session of the client id `session`."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Instance(socket.gethostname(), os.getpid(), store, session, now, _machine())


def _machine() -> str:
    """Return what tells this machine from another one of the same name: two Raspberry Pis are often called alike.

    A digest, since machine-id(5) asks not to publish the identifier itself.
    """
    try:
        identity = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        identity = b""
    return hashlib.sha256(b"sensorline" + (identity or uuid.getnode().to_bytes(8, "big"))).hexdigest()[:16]


def offline_will(instance: Instance) -> Will:
    """Return the status that the broker publishes when ingest's connection dies."""
    return Will(topics.INGEST_STATUS, _encode({"state": "offline", "instance": instance}))


class Announcer:
    """Publishes after commits. Nothing here is needed for durability: what gets lost is told again or asked again."""

    def __init__(self, publisher: Publisher, instance: Instance) -> None:
        self._publisher = publisher
        self._instance = instance
        self._last_status_s = 0.0
        self._last_state = ""

    def committed(self, batch: Batch) -> None:
        """Confirm the batch's sequence numbers, announce its rejects and its events."""
        if batch.seqs or batch.dead_letters:
            confirmations = [
                (topics.acks_topic(device), _encode({"stored": ranges}))
                for device, ranges in durable_seqs(batch).items()
            ]
            self._publisher.publish_many(confirmations)
        for token in batch.confirm_tokens:
            if token.isalnum():
                self._publisher.publish(f"{topics.CONFIRMED}/{token}", b"{}", qos=1)
        for dead_letter in batch.dead_letters:
            self._publisher.publish(
                topics.rejected_topic(dead_letter.topic), _encode(_announcement(dead_letter))
            )
        for event in batch.events:
            self._publisher.publish(topics.events_topic(event.device), _encode(EventMessage.of(event)))

    def status(
        self, state: str, facts: dict[str, Any], *, now_s: float | None = None, at_once: bool = False
    ) -> None:
        """Publish the retained status when it changed or is due (every 2 s: others take it for a heartbeat)."""
        now_s = time.monotonic() if now_s is None else now_s
        if not at_once and state == self._last_state and now_s - self._last_status_s < STATUS_INTERVAL_S:
            return
        self._last_status_s, self._last_state = now_s, state
        body = {"state": state, "version": __version__, "updated_at": time.time_ns() // 10**6, **facts}
        self._publisher.publish(
            topics.INGEST_STATUS, _encode(body | {"instance": self._instance}), retain=True
        )


def _announcement(dead_letter: DeadLetter) -> dict[str, Any]:
    text = dead_letter.payload[: PREVIEW_CHARS * 4].decode(errors="backslashreplace")
    return {
        "topic": dead_letter.topic,
        "reason": dead_letter.reason,
        "detail": dead_letter.detail,
        "received_at": dead_letter.received_ns // 10**6,
        "bytes": len(dead_letter.payload),
        "payload": text[:PREVIEW_CHARS],
    }
