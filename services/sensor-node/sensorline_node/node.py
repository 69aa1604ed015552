"""The node: reads sensors, puts readings into the outbox, sends them, and says who it is."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from sensorline import topics
from sensorline.errors import StartupError
from sensorline.pausing import pause_at
from sensorline.reading import Status
from sensorline_node.announcements import Announcements
from sensorline_node.clock import Clock
from sensorline_node.courier import Courier
from sensorline_node.health import PROBLEM_MAX_CHARS, Health, HealthReport
from sensorline_node.link import Link, Taken
from sensorline_node.outbox import Outbox
from sensorline_node.patience import PATIENCE_S
from sensorline_node.roster import Roster

log = structlog.get_logger()

LONGEST_WAIT_S = 0.25
"""The node looks up this often, so that it stops quickly when it is told to."""

CAREFUL_WAIT_S = 0.01
"""While it waits for the broker's acknowledgement of one packet, which wakes nobody."""

HEALTH_EVERY_S = 1.0

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
    """One device. `meta` says what is set of it; units and names are added as the sensors tell them.

    `patience_s` is how long a confirmation may take before a reading is sent again.
    """

    def __init__(
        self,
        device: str,
        meta: Meta,
        roster: Roster,
        outbox: Outbox,
        link: Link[Any],
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._meta = meta
        self._roster = roster
        self._outbox = outbox
        self._link = link
        self._clock = clock
        self._courier = Courier(device, outbox, link, clock, patience_s=patience_s)
        self._announcements = Announcements(device, link)
        self._report = HealthReport()
        self._health_s = float("-inf")
        self._acks_topic = topics.acks_topic(device).encode()
        self._generation = 0
        self._is_introduced = False
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
        self._keep_session()
        now_s = self._clock.monotonic_s()
        takes_paced = self._outbox.count < PACED_MAX_WAITING
        is_clock_set = self._is_clock_set()
        if is_clock_set:
            measured = self._roster.read_due(now_s, takes_paced=takes_paced)
            if measured:
                rows = self._outbox.put(measured, self._clock.now_ms(), now_s)
                pause_at("taken")
                self._courier.send_new(rows)
        self._courier.send_waiting()
        wait_s = self._longest_wait_s()
        if is_clock_set:
            wait_s = min(wait_s, self._roster.due_in_s(self._clock.monotonic_s(), takes_paced=takes_paced))
        arrivals: Taken | None = self._link.take(wait_s)
        if arrivals is not None:
            # All at once: each writing into the outbox costs something, whatever it is about.
            stored = [pair for message in arrivals.messages for pair in self._stored(message[0], message[1])]
            if stored:
                pause_at("confirming")
                self._courier.confirm(stored)
            self._link.ack(arrivals)

    def _longest_wait_s(self) -> float:
        if self._courier.has_more:
            return 0.0
        is_trying = self._courier.is_careful or (self._link.is_subscribed and not self._is_introduced)
        return CAREFUL_WAIT_S if is_trying else LONGEST_WAIT_S

    def say_goodbye(self) -> None:
        """Tell that the device is offline on purpose; an orderly disconnect suppresses the last will."""
        if self._link.is_connected:
            self._announcements.say(topics.STATUS, Status.OFFLINE.value.encode())

    def _keep_session(self) -> None:
        """Note the end of a connection; on a new one say who is there, then send what waits; later only what is new."""
        if self._generation and not (self._link.is_connected and self._link.generation == self._generation):
            self._courier.end_session()
            self._announcements.ended(self._link.unacknowledged_count)
            self._generation = 0
            self._is_introduced = False
        # A confirmation that comes before we are subscribed would be missed, and the reading sent a second time.
        if not self._link.is_subscribed:
            return
        if self._generation == 0:
            self._generation = self._link.generation
            health = self._note_health()
            status = (topics.STATUS, Status.ONLINE.value.encode())
            self._announcements.begin([self._note_meta(), status, health])
        if not self._is_introduced:
            self._is_introduced = self._announcements.advance()
            if self._is_introduced:
                self._courier.begin_session()
        elif not self._courier.is_careful:
            self._tell_news()

    def _tell_news(self) -> None:
        if self._outbox.revision != self._revision and not self._announcements.say(*self._note_meta()):
            self._revision = -1
        now_s = self._clock.monotonic_s()
        if now_s - self._health_s >= HEALTH_EVERY_S:
            self._health_s = now_s
            if self._report.is_due(self._health(), now_s):
                self._announcements.say(*self._note_health())

    def _note_meta(self) -> tuple[str, bytes]:
        self._revision = self._outbox.revision
        meta = msgspec.structs.replace(self._meta, units=self._outbox.units, names=self._outbox.names)
        return topics.META, msgspec.json.encode(meta)

    def _note_health(self) -> tuple[str, bytes]:
        health = self._health()
        self._report.told(health, self._clock.monotonic_s())
        return topics.HEALTH, msgspec.json.encode(health)

    def _health(self) -> Health:
        outbox = self._outbox
        problems = [*outbox.problems(self._clock.monotonic_s()), *self._courier.problems()]
        return Health(
            refused=outbox.refused,
            set_aside=outbox.aside_count,
            waiting=outbox.count,
            outbox_bytes=outbox.used_bytes,
            outbox_max_bytes=outbox.max_bytes,
            problem="; ".join(problems)[:PROBLEM_MAX_CHARS],
        )

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

    def _stored(self, topic: bytes, payload: bytes) -> list[tuple[int, int]]:
        """Return the ranges of numbers that a message confirms; none for anything else."""
        if topic != self._acks_topic:
            return []
        try:
            ack = msgspec.json.decode(payload, type=_Ack)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            log.warning("confirmation_unreadable", payload=repr(payload[:80]), detail=str(exc))
            return []
        # SQLite's integers end at 2^63; a number beyond 2^53 is none of ours.
        return [(max(first, 0), min(last, 2**53)) for first, last in ack.stored if first <= min(last, 2**53)]
