"""A plain QoS 1 publisher: paho as anybody uses it, which writes down what it sent and what the broker confirmed.

Four kinds of messages take turns, and one in twenty makes no sense:

    past       a time of its own, long ago and ever later, so that days are filled, sealed and joined while the test runs
    now        the present time
    untimed    a value in JSON, without a time
    number     a number alone
"""

import json
import threading
import time
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.chaos.numbering import value_of
from tests.support.ports import unique

KINDS = ("past", "now", "untimed", "number")
BAD_EVERY = 20
PAST_MS, PAST_STEP_MS = 400 * 86_400_000, 200_000
MOST_UNCONFIRMED = 400
PER_SECOND = 100


class Sent(NamedTuple):
    """One message. `time_ms` is its own time, 0 for none; `at_s` when it was first sent (monotonic)."""

    number: int
    device: str
    time_ms: int
    value: float
    is_bad: bool
    at_s: float

    @property
    def topic(self) -> str:
        """Where it goes."""
        return f"sensors/{self.device}/m"

    @property
    def payload(self) -> bytes:
        """What it says."""
        if self.is_bad:
            return f"bad {self.number}".encode()
        if self.device.endswith("number"):
            return repr(self.value).encode()
        body: dict[str, object] = {"value": self.value}
        return json.dumps(
            body | ({"ts": self.time_ms} if self.time_ms else {}), separators=(",", ":")
        ).encode()


DEVICES = tuple(f"plain-{kind}" for kind in KINDS)


class PlainPublisher:
    """Sends at a steady rate from `go_on()` to `hold()`, over a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.sent: list[Sent] = []
        self.confirmed: set[int] = set()
        self._begin_ms = time.time_ns() // 10**6 - PAST_MS
        self._last_ms = 0
        self._lock, self._noting = threading.Lock(), threading.Lock()
        self._on_way: dict[int, int] = {}
        self._early: set[int] = set()
        self._holds = threading.Event()
        self._holds.set()
        self._ends = threading.Event()
        client = self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=unique("plain"))
        client.on_publish = self._published
        client.max_inflight_messages_set(MOST_UNCONFIRMED)
        client.reconnect_delay_set(1, 2)
        client.connect_async("127.0.0.1", port, keepalive=5)
        client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Begin to send."""
        self._holds.clear()

    def hold(self) -> None:
        """Send nothing new."""
        self._holds.set()

    def _run(self) -> None:
        while not self._ends.wait(1 / PER_SECOND):
            if not self._holds.is_set() and len(self._on_way) < MOST_UNCONFIRMED:
                self.send()

    def send(self, kind: str = "") -> int:
        """Send the next message, by default of the kind whose turn it is, and return its number."""
        with self._lock:
            number = len(self.sent)
            is_bad = not kind and number % BAD_EVERY == BAD_EVERY - 1
            kind = kind or KINDS[number % len(KINDS)]
            time_ms = 0
            if kind == "past":
                time_ms = self._begin_ms + number * PAST_STEP_MS
            elif kind == "now":
                time_ms = self._last_ms = max(time.time_ns() // 10**6, self._last_ms + 1)
            device = f"plain-{kind}"
            sent = Sent(number, device, time_ms, value_of(device, number), is_bad, time.monotonic())
            self.sent.append(sent)
            # Without a connection paho keeps it and sends it later.
            packet_id = self._client.publish(sent.topic, sent.payload, qos=1).mid
            with self._noting:
                if packet_id in self._early:
                    self._early.discard(packet_id)
                    self.confirmed.add(number)
                else:
                    self._on_way[packet_id] = number
            return number

    def _published(self, client: Any, userdata: Any, packet_id: int, *_: Any) -> None:
        # In paho's thread, perhaps before publish() has returned. Not under send()'s lock: paho holds its own here.
        with self._noting:
            number = self._on_way.pop(packet_id, None)
            if number is None:
                self._early.add(packet_id)
            else:
                self.confirmed.add(number)

    @property
    def unconfirmed(self) -> int:
        """How many messages the broker has not confirmed yet."""
        return len(self.sent) - len(self.confirmed)

    def close(self) -> None:
        """Disconnect."""
        self._ends.set()
        self._thread.join(5)
        self._client.disconnect()
        self._client.loop_stop()
