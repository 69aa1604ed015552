"""Publishers: numbered readings at QoS 1 in the background, and single messages."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.ports import unique
from tests.support.waiting import wait_until

from sensorline.settings import MqttSettings


class Client:
    """A plain paho client, connected, with everything that it receives in `received`: (topic, payload, retained).

    `broker` is a port of 127.0.0.1, or the settings that lead to a broker elsewhere.
    """

    def __init__(
        self,
        broker: int | MqttSettings,
        *,
        filters: Sequence[str] = (),
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.received: list[tuple[str, bytes, bool]] = []
        self.confirmed = 0
        self._on_message = on_message
        self._subscribed = threading.Event()
        self._filters = [(f, 1) for f in filters]
        where = broker if isinstance(broker, MqttSettings) else MqttSettings(host="127.0.0.1", port=broker)
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=unique("test"),
            transport="websockets" if where.transport == "websockets" else "tcp",
        )
        if where.username:
            self._paho.username_pw_set(where.username, where.password.get_secret_value())
        if where.tls:
            self._paho.tls_set(ca_certs=str(where.cafile) if where.cafile else None)
        self._paho.on_message = self._message
        self._paho.on_connect = self._connected
        self._paho.on_subscribe = lambda *_: self._subscribed.set()
        self._paho.on_publish = self._published
        self._paho.max_inflight_messages_set(1_000)
        self._paho.max_queued_messages_set(0)
        self._paho.reconnect_delay_set(1, 1)
        self._paho.connect(where.host, where.port, keepalive=5)
        self._paho.loop_start()
        wait_until(self._paho.is_connected, 10, "the test's client to connect")
        assert not filters or self._subscribed.wait(10), f"no SUBACK for {filters}"

    def _connected(self, *_: Any) -> None:
        if self._filters:
            self._paho.subscribe(self._filters)

    def _published(self, *_: Any) -> None:
        self.confirmed += 1

    def _message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        self.received.append((message.topic, bytes(message.payload), message.retain))
        if self._on_message:
            self._on_message(message.topic, bytes(message.payload))

    def send(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False
    ) -> paho.MQTTMessageInfo:
        """Publish without waiting; paho keeps it until the broker's PUBACK, also over reconnects."""
        return self._paho.publish(topic, payload, qos=qos, retain=retain)

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False) -> None:
        """Publish and wait for the broker's PUBACK."""
        self.send(topic, payload, qos=qos, retain=retain).wait_for_publish(10)

    def json_of(self, topic: str) -> list[Any]:
        """Return the payloads received on a topic, as JSON values."""
        return [json.loads(payload) for t, payload, _ in list(self.received) if t == topic]

    def close(self) -> None:
        """Disconnect."""
        self._paho.disconnect()
        self._paho.loop_stop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream:
    """Publishes what `message(n)` returns for n = 0, 1, 2 … at a steady rate, in a thread, until `finish()`."""

    def __init__(self, port: int, message: Callable[[int], tuple[str, bytes]], per_second: int) -> None:
        self._client = Client(port)
        self._message = message
        self._per_second = per_second
        self._stopping = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        begun_s = time.monotonic()
        while not self._stopping.wait(0.01):
            due = int((time.monotonic() - begun_s) * self._per_second)
            while self.count < due:
                self._client.send(*self._message(self.count))
                self.count += 1

    def finish(self, deadline_s: float = 30.0) -> int:
        """Stop, wait until the broker has confirmed every message, and return how many there were."""
        self._stopping.set()
        self._thread.join()
        # Not by each message's own word: what paho keeps while it is not connected counts there as failed for ever.
        wait_until(
            lambda: self._client.confirmed >= self.count, deadline_s, "the broker to confirm all of a stream"
        )
        self._client.close()
        return self.count


class Outbox:
    """Publishes like a sensor node: keeps each message until ingest has confirmed its `seq` on `acks/<device>`.

    `message(n)` must return the same message for the same n, with `"seq": n` in it. What stays unconfirmed for
    `resend_s` seconds is sent again, for as long as it takes.
    """

    def __init__(
        self, port: int, device: str, message: Callable[[int], tuple[str, bytes]], *, resend_s: float = 1.5
    ) -> None:
        self._message = message
        self._resend_s = resend_s
        self._sent_s: dict[int, float] = {}
        self._lock = threading.Lock()
        self._client = Client(port, filters=[f"acks/{device}"], on_message=self._confirmed)
        self.resent = 0

    def _confirmed(self, topic: str, payload: bytes) -> None:
        with self._lock:
            for first, last in json.loads(payload)["stored"]:
                for seq in range(first, last + 1):
                    self._sent_s.pop(seq, None)

    def send(self, n: int) -> None:
        """Send message n, and keep it."""
        with self._lock:
            self._sent_s[n] = time.monotonic()
        self._client.send(*self._message(n))

    def resend(self) -> None:
        """Send again what has waited long enough."""
        now_s = time.monotonic()
        with self._lock:
            due = [n for n, sent_s in self._sent_s.items() if now_s - sent_s > self._resend_s]
        for n in due:
            self.resent += 1
            self.send(n)

    @property
    def waiting(self) -> int:
        """How many messages are not yet confirmed."""
        return len(self._sent_s)

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
