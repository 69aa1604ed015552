"""A publisher that costs next to nothing: QoS 1 PUBLISH packets made beforehand, written in bulk over one socket.

    python bench/load.py PORT COUNT SERIES [RATE [FORM]]

Publishes COUNT messages over SERIES topics, RATE a second (0: as fast as the broker confirms), and ends when all are confirmed.
FORM is one of `FORMS`, by default `{"value":…,"ts":…}`. Reading n of a series has a time of its own, so that nothing is a repetition.
"""

import socket
import sys
import time

WINDOW = 2_000
CHUNK = 500

FORMS = {"number": 1, "ts": 1, "seq": 1, "object": 4, "array": 10}
"""How many readings a message of each form has."""


def message(form: str, n: int, series: int, base_ms: int) -> tuple[bytes, bytes]:
    """Return topic and payload of message n."""
    k, turn = n % series, n // series
    value, ts = 20 + (turn * 7 + k) % 100 / 10, base_ms + turn
    if form == "object":
        payload = b'{"temperature":%.1f,"humidity":%d,"pressure":%.1f,"battery":%d,"ts":%d}'
        return b"sensors/bench%d" % k, payload % (value, 40 + k % 20, 1000 + value, turn % 100, ts)
    topic = b"sensors/bench%d/m%d" % (k // 10, k % 10)
    if form == "number":
        return topic, b"%.1f" % value
    if form == "seq":
        return topic, b'{"value":%.1f,"ts":%d,"seq":%d}' % (value, ts, (k % 10) + turn * 10)
    if form == "array":
        items = (b'{"value":%.1f,"ts":%d}' % (value + i, base_ms + turn * 10 + i) for i in range(10))
        return topic, b"[%b]" % b",".join(items)
    return topic, b'{"value":%.1f,"ts":%d}' % (value, ts)


def packet(topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """Return a QoS 1 PUBLISH (MQTT 3.1.1, section 3.3)."""
    body = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + payload
    length, encoded = len(body), bytearray()
    while True:
        encoded.append(length % 128 | (128 if length > 127 else 0))
        length //= 128
        if not length:
            return b"\x32" + bytes(encoded) + body


def connect(port: int, client_id: str) -> socket.socket:
    """Return a socket with an accepted MQTT session."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = client_id.encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    sock.sendall(b"\x10" + bytes([len(body)]) + body)
    reply = sock.recv(4)
    assert reply == b"\x20\x02\x00\x00", f"the broker refused: {reply!r}"
    return sock


def publish(port: int, count: int, series: int, rate: float = 0.0, form: str = "ts") -> float:
    """Publish and return the seconds until the last confirmation."""
    sock = connect(port, f"bench-load-{time.time_ns()}")
    base_ms = time.time_ns() // 10**6 - count // series * FORMS[form] - 1_000
    begun_s = time.perf_counter()
    sent = confirmed_bytes = 0
    while confirmed_bytes < 4 * count:
        step = min(CHUNK, count - sent, WINDOW - (sent - confirmed_bytes // 4))
        if rate:
            step = min(step, int((time.perf_counter() - begun_s) * rate) - sent)
        if step > 0:
            chunk = [
                packet(*message(form, n, series, base_ms), n % 65_000 + 1) for n in range(sent, sent + step)
            ]
            sock.sendall(b"".join(chunk))
            sent += step
            sock.setblocking(False)
        else:
            sock.settimeout(0.002 if rate else 30)
        try:
            data = sock.recv(1 << 16)
            assert data, "the broker closed the connection"
            confirmed_bytes += len(data)
        except (BlockingIOError, TimeoutError):
            pass
        sock.settimeout(30)
    sock.close()
    return time.perf_counter() - begun_s


if __name__ == "__main__":
    port, count, series = (int(a) for a in sys.argv[1:4])
    rate = sys.argv[4] if len(sys.argv) > 4 else "0"
    form = sys.argv[5] if len(sys.argv) > 5 else "ts"
    print(f"{publish(port, count, series, float(rate), form):.3f}")
