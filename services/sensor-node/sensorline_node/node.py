"""The node: reads sensors, puts readings into the outbox, sends them, and says who it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from sensorline import topics
from sensorline.errors import StartupError
from sensorline.pausing import pause_at
from sensorline.reading import Status
from sensorline_node.clock import Clock
from sensorline_node.courier import Courier
from sensorline_node.link import Link, Taken
from sensorline_node.outbox import Outbox
from sensorline_node.roster import Roster

log = structlog.get_logger()

LONGEST_WAIT_S = 0.25
"""The node looks up this often, so that it stops quickly when it is told to."""

PACED_MAX_WAITING = 5_000
"""A file is not read further while this many readings wait: it would only fill the outbox."""

CLOCK_SET_MS = 946_684_800_000
"""2000-01-01T00:00:00Z, before which ingest believes no time: a clock that says less was never set."""


class Meta(msgspec.Struct, omit_defaults=True):
    """What `$meta` says of a device."""

    interval_s: float
    simulated: bool
    name: str = ""
    location: str = ""
    units: dict[str, str] = {}
    names: dict[str, str] = {}


class _Ack(msgspec.Struct):
    stored: list[tuple[int, int]]


class Node:
    """One device. `meta` says what is set of it; units and names are added as the sensors tell them."""

    def __init__(
        self, device: str, meta: Meta, roster: Roster, outbox: Outbox, link: Link[Any], clock: Clock
    ) -> None:
        self._device = device
        self._meta = meta
        self._roster = roster
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._courier = Courier(device, outbox, link, clock)
        self._acks_topic = topics.acks_topic(device).encode()
        self._generation = 0
        self._revision = -1
        self._was_clock_set = True

    @property
    def has_finished(self) -> bool:
        """True when every sensor has ended (a replayed file) and every reading is confirmed."""
        return self._roster.has_ended and self._outbox.count == 0

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until told to stop, or until nothing is left to do. Raises StartupError if only a new process helps."""
        while not should_stop() and not self.has_finished:
            self.step()
            problem = self._link.check_alive()
            if problem:
                raise StartupError(f"{problem}; the outbox keeps {self._outbox.count} readings: start again")

    def step(self) -> None:
        """Do what is due now, then wait a moment for confirmations."""
        if self._link.is_connected:
            self._introduce()
        now_s = self._clock.monotonic_s()
        takes_paced = self._outbox.count < PACED_MAX_WAITING
        is_clock_set = self._is_clock_set()
        if is_clock_set:
            measured = self._roster.read_due(now_s, takes_paced=takes_paced)
            if measured:
                rows = self._outbox.put(measured, self._clock.now_ms())
                pause_at("taken")
                self._courier.send_new(rows)
        self._courier.send_waiting()
        wait_s = LONGEST_WAIT_S
        if is_clock_set:
            wait_s = min(wait_s, self._roster.due_in_s(self._clock.monotonic_s(), takes_paced=takes_paced))
        arrivals: Taken | None = self._link.take(wait_s)
        if arrivals is not None:
            for message in arrivals.messages:
                self._take_ack(message[0], message[1])
            self._link.ack(arrivals)

    def say_goodbye(self) -> None:
        """Tell that the device is offline on purpose; an orderly disconnect suppresses the last will."""
        if self._link.is_connected:
            self._publish_retained(topics.STATUS, Status.OFFLINE.value.encode())

    def _introduce(self) -> None:
        """On a new connection say who is there and send what waits; later only what is new of the device."""
        generation, revision = self._link.generation, self._outbox.revision
        is_new_session = generation != self._generation
        if is_new_session or revision != self._revision:
            meta = msgspec.structs.replace(self._meta, units=self._outbox.units, names=self._outbox.names)
            if not self._publish_retained(topics.META, msgspec.json.encode(meta)):
                return
            self._revision = revision
        if is_new_session and self._publish_retained(topics.STATUS, Status.ONLINE.value.encode()):
            self._generation = generation
            self._courier.begin_session()

    def _publish_retained(self, leaf: str, payload: bytes) -> bool:
        topic = f"{topics.SENSORS}/{self._device}/{leaf}"
        return self._link.publish(topic, payload, qos=1, retain=True)

    def _is_clock_set(self) -> bool:
        is_set = self._clock.now_ms() >= CLOCK_SET_MS
        if is_set != self._was_clock_set:
            self._was_clock_set = is_set
            if is_set:
                log.info("clock_is_set")
            else:
                log.warning(
                    "clock_not_set", detail="the clock is before the year 2000; no reading until it is set"
                )
        return is_set

    def _take_ack(self, topic: bytes, payload: bytes) -> None:
        if topic != self._acks_topic:
            return
        try:
            ack = msgspec.json.decode(payload, type=_Ack)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            log.warning("confirmation_unreadable", payload=repr(payload[:80]), detail=str(exc))
            return
        pause_at("confirming")
        # SQLite's integers end at 2^63; a number beyond 2^53 is none of ours.
        self._courier.confirm(
            [(max(first, 0), min(last, 2**53)) for first, last in ack.stored if first <= min(last, 2**53)]
        )
