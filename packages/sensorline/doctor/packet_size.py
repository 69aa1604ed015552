"""How large a packet the broker takes, found by sending larger and larger ones, with QoS 0, to ourselves.

A packet that is too large ends the connection; with message_size_limit it is dropped and the connection goes on.
"""

import msgspec

from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.session import Names, PutOut, Session

NODE_PACKET_BYTES = 16_384
"""A sensor node's arrays are just below this."""
PAYLOAD_MAX_BYTES = 1 << 20
"""Ingest refuses a message above this (decoders.base), so a broker needs to take no more."""
_SIZES = (NODE_PACKET_BYTES, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 23)
_WAIT_S = 3.0


class Sizes(msgspec.Struct):
    """The largest packet that came through, in bytes, and the next size that did not; 0 for none of either."""

    passed: int = 0
    stopped: int = 0
    in_silence: bool = False
    """The one that did not come through was dropped without a word, and the connection went on."""


def measure(context: Context, names: Names) -> Sizes:
    """Try the sizes in turn. Raises NotLetIn."""
    out = Sizes()
    topic = f"{names.topic}/size"
    for size in _SIZES:
        if context.left_s < 3 * _WAIT_S:
            break
        # Fixed header and remaining length of such packets take five bytes at most, the topic two more than its length.
        payload = bytes(size - 5 - 2 - len(topic))
        with Session(context.mqtt, names.client_id, subscriptions=[(topic, 0)]) as session:
            try:
                session.send(topic, payload, qos=0)
                session.send(topic, b"after", qos=0)
                found = session.receive(_WAIT_S, until=lambda m: m[1] == b"after")
            except PutOut:
                found = []
            came = any(len(m[1]) == len(payload) for m in found)
            out.in_silence = not came and any(m[1] == b"after" for m in found)
        if not came:
            out.stopped = size
            break
        out.passed = size
    return out


def judge(sizes: Sizes) -> Finding:
    """Return what the limit means."""
    fix = f"mosquitto.conf: max_packet_size {PAYLOAD_MAX_BYTES}"
    if sizes.in_silence:
        return Finding(
            level=Level.PROBLEM,
            part="broker",
            check="packet_size",
            says=f"it confirms messages of {sizes.stopped:,} bytes and drops them: that is message_size_limit",
            fix=f"{fix}   (instead of message_size_limit)",
        )
    if not sizes.stopped:
        return Finding(
            level=Level.WARNING,
            part="broker",
            check="packet_size",
            says=f"it takes packets of {sizes.passed:,} bytes and perhaps any size: one runaway payload can fill its memory",
            fix=fix,
        )
    if sizes.passed < NODE_PACKET_BYTES:
        return Finding(
            level=Level.PROBLEM,
            part="broker",
            check="packet_size",
            says=f"it ends a connection that sends {NODE_PACKET_BYTES:,} bytes: what a sensor node has kept while it was away"
            " goes out in packets of up to that size, and would never arrive",
            fix=fix,
        )
    return Finding(
        level=Level.FINE,
        part="broker",
        check="packet_size",
        says=f"it takes packets of {sizes.passed:,} bytes and ends a connection that sends {sizes.stopped:,} bytes",
    )
