"""A paho client as Sensorline wants it: from its settings, not yet connected."""

import random
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from sensorline.mqtt.arrivals import RawMessage
from sensorline.mqtt.bulk import BulkClient
from sensorline.settings import MqttSettings

CONNECT_TIMEOUT_S = 5.0
MAX_QUEUED = 10_000
"""Messages of ours that the broker has not taken: paho refuses further ones."""


class Will(NamedTuple):
    """What the broker publishes for us when the connection dies (MQTT 3.1.1, section 3.1.2.5); retained, QoS 1."""

    topic: str
    payload: bytes


def build_client(
    settings: MqttSettings,
    on_messages: Callable[[list[RawMessage]], None],
    *,
    client_id: str,
    clean_session: bool,
    will: Will | None,
    gather_s: float,
) -> BulkClient:
    """Return a client with credentials, TLS, will, limits and delays; callbacks are the caller's."""
    s = settings
    client = BulkClient(
        on_messages,
        gather_s=gather_s,
        in_bulk=s.bulk_read,
        client_id=client_id,
        clean_session=clean_session,
        transport=s.transport,
    )
    if s.username:
        client.username_pw_set(s.username, s.password.get_secret_value() or None)
    if s.tls:
        client.tls_set(
            ca_certs=str(s.cafile) if s.cafile else None,
            certfile=str(s.cert) if s.cert else None,
            keyfile=str(s.key) if s.key else None,
        )
        client.tls_insecure_set(s.insecure)
    if will:
        client.will_set(will.topic, will.payload, qos=1, retain=True)
    client.connect_timeout = CONNECT_TIMEOUT_S
    # paho has no jitter: each process draws its own delays, so that a restarted broker is not met by all at once.
    client.spread_reconnects(random.uniform(1.0, 3.0), random.uniform(10.0, 20.0))  # noqa: S311 - jitter, no secret
    client.max_inflight_messages_set(500)
    client.max_queued_messages_set(MAX_QUEUED)
    if s.transport == "tcp":
        client.on_socket_open = _send_at_once
    return client


def _send_at_once(client: Any, userdata: Any, sock: Any) -> None:
    # paho leaves Nagle's algorithm on: the second of two small packets would wait for the first one's TCP acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
