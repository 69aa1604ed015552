"""One session with a broker: connects, subscribes, comes back, and says when it is no longer alive."""

import sys
import time
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import structlog

from sensorline import topics
from sensorline.mqtt.arrivals import ArrivalQueue, Arrivals, RawMessage
from sensorline.mqtt.build import Will, build_client
from sensorline.mqtt.paho import ConnectFlags, DisconnectFlags, MQTTMessage, ReasonCode
from sensorline.mqtt.refusal import no_connection
from sensorline.settings import MqttSettings

log = structlog.get_logger()

MAX_TAKEN = 5_000
MAX_WAITING = 100_000
CANARY_INTERVAL_S = 5.0
CANARY_TIMEOUT_S = 30.0


_topic_of = itemgetter(0)


class MqttLink:
    """A session with a broker. `start()` returns at once and connects in a thread of its own, for ever and again.

    `subscriptions` are (filter, QoS) pairs. With `clean_session=False` the broker keeps the session of `client_id`
    while we are away. `on_connected(session_present)` and `on_disconnected()` run in the network thread and must only
    note the fact. With `canary=True` a message to ourselves makes the round trip every 5 s, and `problem()` says when
    the session is dead although the socket is open. `gather_s` is how long messages of a trickle may wait for each other,
    so that few wake-ups carry them; a burst, and the first message after a pause, wait for nothing. With `repeats=False` a
    message that the broker did not acknowledge ends with its connection; else paho sends it again on the next one, first of all.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        clean_session: bool,
        subscriptions: Sequence[tuple[str, int]] = (),
        will: Will | None = None,
        canary: bool = False,
        gather_s: float = 0.0,
        repeats: bool = True,
        on_connected: Callable[[bool], None] | None = None,
        on_disconnected: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._repeats = repeats
        self._unacknowledged_at_end = 0
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected
        self._canary_topic = f"{topics.CANARY}/{client_id}" if canary else ""
        self._canary_key = self._canary_topic.encode()
        self._canary_sent_s = 0.0
        self._canary_seen_s: float | None = None
        self._subscriptions = [*subscriptions, *([(self._canary_topic, 0)] if canary else [])]
        self._queue = ArrivalQueue(MAX_WAITING)
        self._generation = 0
        self._subscribed_generation = 0
        self._is_connected = False
        self._connected_s = 0.0
        self._refusal = ""
        self._is_stopping = False
        self._client = client = build_client(
            settings,
            self._arrived,
            client_id=client_id,
            clean_session=clean_session,
            will=will,
            gather_s=gather_s,
        )
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_connect_fail = self._connect_failed
        client.on_subscribe = self._subscribed
        client.on_message = self._arrived_singly

    @property
    def is_connected(self) -> bool:
        """True between the broker's CONNACK and the end of that connection."""
        return self._is_connected

    @property
    def is_subscribed(self) -> bool:
        """True once the broker confirmed this connection's subscriptions: what is published from then on arrives."""
        return self._is_connected and self._subscribed_generation == self._generation

    @property
    def unacknowledged_count(self) -> int:
        """How many QoS 1 messages the broker has not acknowledged; without a connection, at the end of the last one."""
        return self._client.unacknowledged_count if self._is_connected else self._unacknowledged_at_end

    @property
    def generation(self) -> int:
        """Grows by one with each connection; 0 before the first."""
        return self._generation

    @property
    def waiting_count(self) -> int:
        """How many messages have arrived and were not yet taken."""
        return self._queue.waiting_count

    @property
    def dropped_qos0(self) -> int:
        """How many QoS 0 messages were dropped because the worker could not keep up."""
        return self._queue.dropped_qos0

    @property
    def refusal(self) -> str:
        """Why the broker refused or could not be reached, in words; empty while all is well."""
        return self._refusal

    @property
    def gather_s(self) -> float:
        """How long messages of a trickle wait for each other; may be changed at any time."""
        return self._client.gather_s

    @gather_s.setter
    def gather_s(self, gather_s: float) -> None:
        self._client.gather_s = gather_s

    def start(self) -> None:
        """Begin to connect; returns at once, also when the broker is away."""
        self._client.connect_async(self._settings.host, self._settings.port, self._settings.keepalive_s)
        self._client.loop_start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is queued, disconnect in order and end the network thread; wakes a waiting take()."""
        self._is_stopping = True
        deadline_s = time.monotonic() + timeout_s
        while self._is_connected and self._client.want_write() and time.monotonic() < deadline_s:
            time.sleep(0.005)
        self._client.disconnect()
        self._client.loop_stop()
        self._is_connected = False
        self._queue.close()

    def unsubscribe(self, topic_filters: Sequence[str]) -> None:
        """Take subscriptions out of the session, which otherwise keeps them when this link has ended."""
        if self._is_connected and topic_filters:
            self._client.unsubscribe(list(topic_filters))

    def take(self, timeout_s: float, max_messages: int = MAX_TAKEN, linger_s: float = 0.0) -> Arrivals | None:
        """Return what has arrived, or None after `timeout_s` seconds without anything.

        `linger_s` is how long to wait for company after the first message.
        """
        return self._queue.take(timeout_s, max_messages, linger_s)

    def ack(self, arrivals: Arrivals) -> None:
        """Acknowledge taken messages, on the connection that waits for it; older connections' are dropped.

        Dropped ones come again: the broker still holds them.
        """
        self._queue.acknowledge(arrivals, self._send_pubacks)

    def _send_pubacks(self, packet_ids: list[int]) -> None:
        if self._is_connected:
            self._client.send_pubacks(packet_ids)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Hand a message to the network thread; False, and nothing kept, while there is no connection.

        True says only that it will be sent. A PUBACK from the broker is not durability, so nobody waits for it here. In the
        instant in which a connection breaks False may come for a QoS 1 message that paho keeps and sends later.
        """
        if not self._is_connected:
            return False
        return self._client.publish(topic, payload, qos=qos, retain=retain).rc == 0

    def publish_many(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Hand QoS 0 messages, (topic, payload) each, to the network thread as one write; lost without a connection.

        A topic of more than 65,535 bytes is left out; wildcards are not looked for.
        """
        if self._is_connected:
            self._client.send_publishes(messages)

    def check_alive(self) -> str | None:
        """Send a canary when one is due; return a sentence if the session is dead although it looks open, else None.

        Only a new process helps then: paho's thread cannot be trusted after it.
        """
        # The thread ends because it is told to, and a service in its last step may still ask.
        if self._is_stopping:
            return None
        thread = self._client._thread
        if thread is None or not thread.is_alive():
            return "the MQTT network thread has ended"
        if not self._canary_topic or not self._is_connected:
            return None
        now_s = time.monotonic()
        if now_s - self._canary_sent_s >= CANARY_INTERVAL_S:
            self._canary_sent_s = now_s
            self._client.publish(self._canary_topic, b"canary", qos=0)
        # A broker whose rules forbid the canary never returned one: that is no sign of a dead session.
        if self._canary_seen_s is None:
            return None
        silence_s = now_s - max(self._canary_seen_s, self._connected_s)
        if silence_s > CANARY_TIMEOUT_S:
            return f"no canary came back for {silence_s:.0f} s although the connection looks open"
        return None

    def _arrived(self, messages: list[RawMessage]) -> None:
        # Only while one is on its way: looking for it costs something for each message.
        is_awaited = self._canary_key and self._canary_sent_s > (self._canary_seen_s or 0.0)
        if is_awaited and self._canary_key in map(_topic_of, messages):
            self._canary_seen_s = time.monotonic()
            messages = [message for message in messages if message[0] != self._canary_key]
        self._queue.put(messages)

    def _arrived_singly(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        # paho's own reader: QoS 2, and everything without MQTT_BULK_READ. It acknowledges QoS 2 here, at the
        # end of the exchange; we never subscribe with QoS 2, because paho forgets such messages at a restart.
        flags = (message.dup << 3) | (message.qos << 1) | message.retain
        received_ns = time.time_ns() // 1_000_000 * 1_000_000
        if message.qos == 2:
            self._client.ack(message.mid, 2)
        packet_id = message.mid if message.qos == 1 else 0
        self._arrived([(message.topic.encode(), bytes(message.payload), packet_id, flags, received_ns)])

    def _connected(
        self, client: Any, userdata: Any, flags: ConnectFlags, reason: ReasonCode, props: Any
    ) -> None:
        if reason.is_failure:
            self._note_refusal(f"the broker refused the connection: {reason}")
            return
        self._refusal = ""
        if not self._repeats:
            self._client.drop_out_messages()
        self._generation += 1
        self._queue.begin_generation(self._generation, flags.session_present)
        self._connected_s = time.monotonic()
        self._is_connected = True
        if self._subscriptions:
            self._client.subscribe(self._subscriptions)
        log.info(
            "mqtt_connected",
            client_id=self._client_id,
            host=self._settings.host,
            port=self._settings.port,
            session_present=flags.session_present,
        )
        if self._on_connected:
            self._on_connected(flags.session_present)

    def _disconnected(
        self, client: Any, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, props: Any
    ) -> None:
        was_connected = self._is_connected
        if was_connected:
            self._unacknowledged_at_end = self._client.unacknowledged_count
        self._is_connected = False
        self._queue.end_generation()
        if not was_connected and not self._refusal and not self._is_stopping:
            self._note_refusal("the broker ended the connection before it had accepted it")
        if was_connected and reason.is_failure:
            log.warning("mqtt_disconnected", client_id=self._client_id, reason=str(reason))
        if was_connected and self._on_disconnected:
            self._on_disconnected()

    def _connect_failed(self, client: Any, userdata: Any) -> None:
        # paho calls this while it handles the exception, and does not hand it over.
        self._note_refusal(no_connection(sys.exc_info()[1], self._settings.host, self._settings.port))

    def _note_refusal(self, text: str) -> None:
        if text != self._refusal:
            self._refusal = text
            log.warning("mqtt_not_connected", client_id=self._client_id, detail=f"{text}; trying again")

    def _subscribed(
        self, client: Any, userdata: Any, mid: int, reasons: list[ReasonCode], props: Any
    ) -> None:
        self._subscribed_generation = self._generation
        for (topic_filter, _), reason in zip(self._subscriptions, reasons, strict=False):
            if reason.is_failure:
                log.error("mqtt_subscription_refused", filter=topic_filter, reason=str(reason))
