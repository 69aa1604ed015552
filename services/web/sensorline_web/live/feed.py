"""Brings readings in: takes from the broker, decodes as ingest does, keeps the state and hands frames out when due."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

import msgspec
import structlog

from sensorline import topics
from sensorline.decoders import Decoders
from sensorline.errors import Rejected, SensorlineError, StoreError
from sensorline.events import EventMessage
from sensorline.mqtt import Arrivals, MqttLink
from sensorline.settings import MqttSettings
from sensorline_web.instants import to_ms
from sensorline_web.live.coalescer import Coalescer
from sensorline_web.live.emitter import LIVE_ROOM
from sensorline_web.live.shapes import device_entry, metric_entry
from sensorline_web.live.state import Changes, LiveState
from sensorline_web.metrics import WebMetrics
from sensorline_web.readers import ReaderPool

log = structlog.get_logger()

IDLE_WAIT_S = 0.25
UNWATCHED_GATHER_S = 0.25
"""How long messages may wait for each other while nobody watches."""
ALIVE_INTERVAL_S = 1.0
LOAD_RETRY_S = 3.0
MAX_TAKEN = 1_000
OWN_MAX_BYTES = 64 * 1024
"""What ingest says of itself and of events is much shorter."""

_FLAG_RETAIN = 0x01
_INGEST_TOPIC = topics.INGEST_STATUS.encode()
_EVENTS_PREFIX = f"{topics.EVENTS}/".encode()
_decode_event = msgspec.json.Decoder(EventMessage).decode


class Link(Protocol):
    """What the feed needs of a session with the broker; sensorline.mqtt.MqttLink is one."""

    gather_s: float

    @property
    def is_connected(self) -> bool: ...
    @property
    def generation(self) -> int: ...
    def start(self) -> None: ...
    def stop(self, timeout_s: float = 2.0) -> None: ...
    def take(self, timeout_s: float, max_messages: int = ...) -> Arrivals | None: ...
    def ack(self, arrivals: Arrivals) -> None: ...
    def check_alive(self) -> str | None: ...


def build_link(settings: MqttSettings, decoders: Decoders, gather_s: float) -> MqttLink:
    """Return a session of its own for this process: QoS 0 and clean, because history comes from the store.

    `gather_s` is how long messages may wait for each other: no longer than frames do.
    """
    return MqttLink(
        settings,
        client_id=f"sensorline-web-{secrets.token_hex(6)}",
        clean_session=True,
        subscriptions=[(f, 0) for f in (*decoders.filters, topics.INGEST_STATUS, topics.EVENTS_FILTER)],
        canary=True,
        gather_s=gather_s,
    )


class Feed:
    """The way of a reading from the broker to the browsers. Constructing it starts nothing.

    `announce(event, data)`, from any thread, has every accepted browser told by `send_announced(now_s)`, which returns
    whether there was anything. `catch_up(now_s)` writes what slow ones have not taken yet and
    returns when to call it again, None for not before the next frame. `tell_rooms(rooms, event, data, now_s)` tells those who are in some
    rooms. `on_event()` is called when ingest has announced an event. `on_fatal(detail)` is called once when only a new process
    helps. `sleep` lets others run, as the async mode has it.
    """

    def __init__(
        self,
        *,
        link: Link,
        decoders: Decoders,
        state: LiveState,
        coalescer: Coalescer,
        readers: ReaderPool,
        metrics: WebMetrics,
        announce: Callable[[str, Any], None],
        send_announced: Callable[[float], bool] = lambda now_s: False,
        catch_up: Callable[[float], float | None] = lambda now_s: None,
        tell_rooms: Callable[[Iterable[str], str, Any, float], None] = lambda rooms, event, data, now_s: None,
        sleep: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.state = state
        self.coalescer = coalescer
        self._link = link
        self._gather_s = link.gather_s
        self._decoders = decoders
        self._readers = readers
        self._metrics = metrics
        self._announce = announce
        self.sleep = sleep
        self._clock_s = clock_s
        self._clock_ns = clock_ns
        self._stopping = threading.Event()
        self.is_stopped = False
        self._generation = 0
        self._was_connected = False
        self._since_ms = to_ms(clock_ns() // 10**6 * 10**6)
        self._ingest: dict[str, Any] | None = None
        self._alive_due_s = 0.0
        self.on_fatal: Callable[[str], None] = lambda detail: None
        self._send_announced = send_announced
        self._catch_up = catch_up
        self._tell_rooms = tell_rooms
        self.on_event: Callable[[], None] = lambda: None
        self._catch_up_due_s: float | None = None

    @property
    def is_connected(self) -> bool:
        """Tell whether the broker is connected now."""
        return self._link.is_connected

    def pipeline(self) -> dict[str, Any]:
        """Return the live event `state`: the broker's connection, since when, and ingest's last word of itself."""
        broker = "connected" if self._was_connected else "disconnected"
        return {"broker": broker, "since": self._since_ms, "ingest": self._ingest}

    def start(self, spawn: Callable[..., Any]) -> None:
        """Connect to the broker and begin; `spawn(target)` runs a function beside the caller."""
        self._link.start()
        spawn(self._run)
        spawn(self._load_from_store)

    def stop(self) -> None:
        """End both tasks and the session with the broker."""
        self._stopping.set()
        self._link.stop(0.5)
        self.is_stopped = True

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                # Where threads take turns of their own will (eventlet, gevent), a full queue must not keep the turn.
                self.sleep(0)
        except Exception as exc:
            log.exception("feed_failed")
            self.on_fatal(f"the live feed ended: {type(exc).__name__}")

    def step(self) -> None:
        """Take what has arrived, at most until the next frame is due, and send the frames that are."""
        due_s = [due for due in (self.coalescer.next_due_s(), self._catch_up_due_s) if due is not None]
        wait_s = max(min([due - self._clock_s() for due in due_s], default=IDLE_WAIT_S), 0.0)
        arrivals = self._link.take(min(wait_s, IDLE_WAIT_S), MAX_TAKEN)
        self._check_broker()
        if arrivals is not None:
            self._link.ack(arrivals)
            for topic, payload, _, flags, received_ns in arrivals.messages:
                if topic == _INGEST_TOPIC:
                    self._note_ingest(payload)
                elif topic.startswith(_EVENTS_PREFIX):
                    self._tell_event(topic, payload)
                else:
                    self._take(topic, payload, bool(flags & _FLAG_RETAIN), received_ns)
        now_s = self._clock_s()
        # First the device, then its readings.
        has_announced = self._send_announced(now_s)
        sent = self.coalescer.flush(now_s)
        self._metrics.frames_sent.inc(sent)
        if sent or has_announced or (self._catch_up_due_s is not None and now_s >= self._catch_up_due_s):
            self._catch_up_due_s = self._catch_up(now_s)

    def _take(self, topic: bytes, payload: bytes, retained: bool, received_ns: int) -> None:
        try:
            decoded = self._decoders.decode(topic, payload, retained, received_ns)
        except Rejected:
            self._metrics.messages_ignored.inc()
            return
        self.tell(self.state.apply(decoded))
        if decoded.readings:
            self._metrics.readings_received.inc(len(decoded.readings))
            self.coalescer.add(decoded.readings, self._clock_s())

    def tell(self, changes: Changes) -> None:
        """Announce devices and series that are new or changed."""
        for name in changes.devices:
            device = self.state.device(name)
            if device is not None:
                self._announce("device", device_entry(device))
        for series in changes.series:
            device = self.state.device(series.device)
            if device is not None:
                self._announce("metric", metric_entry(series, device.facts))

    def _note_ingest(self, payload: bytes) -> None:
        ingest: dict[str, Any] | None = None
        if payload and len(payload) <= OWN_MAX_BYTES:
            try:
                value = msgspec.json.decode(payload)
            except (ValueError, RecursionError):
                return
            ingest = value if isinstance(value, dict) else None
        if ingest != self._ingest:
            self._ingest = ingest
            self._announce("state", self.pipeline())

    def _tell_event(self, topic: bytes, payload: bytes) -> None:
        """Tell those who watch a device what ingest has announced; all, if it concerns all."""
        event = None
        if len(payload) <= OWN_MAX_BYTES:
            with suppress(ValueError, RecursionError):
                event = _decode_event(payload)
        if event is None or topics.events_topic(event.device).encode() != topic:
            self._metrics.messages_ignored.inc()
            return
        self.on_event()
        rooms = self.coalescer.rooms_of(event.device) if event.device else [LIVE_ROOM]
        self._tell_rooms(rooms, "event", event, self._clock_s())

    def _check_broker(self) -> None:
        self._link.gather_s = self._gather_s if self.coalescer.group_count else UNWATCHED_GATHER_S
        connected, generation = self._link.is_connected, self._link.generation
        if connected != self._was_connected or (connected and generation != self._generation):
            self._was_connected, self._generation = connected, generation
            self._since_ms = self._clock_ns() // 10**6
            self._announce("state", self.pipeline())
        now_s = self._clock_s()
        if now_s >= self._alive_due_s:
            self._alive_due_s = now_s + ALIVE_INTERVAL_S
            detail = self._link.check_alive()
            # A session that is being ended has nothing to prove.
            if detail and not self._stopping.is_set():
                raise SensorlineError(detail)

    def _load_from_store(self) -> None:
        """Read devices and latest values from the store, as soon as it can be read."""
        is_first = True
        while not self._stopping.is_set():
            try:
                with self._readers.borrow() as reader:
                    changes = self.state.load(reader.devices(), reader.latest(), reader.accounts())
            except StoreError as exc:
                if is_first:
                    log.warning("store_not_loaded", detail=f"{exc}; live values go on, trying again")
                is_first = False
                self._stopping.wait(LOAD_RETRY_S)
                continue
            self.tell(changes)
            return
