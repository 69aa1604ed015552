"""A publisher that costs next to nothing: QoS 1 PUBLISH packets made beforehand, written in bulk over one socket.

    python bench/load.py PORT COUNT SERIES [RATE]

Publishes COUNT readings `{"value":…,"ts":…}` over SERIES topics, RATE a second (0: as fast as the broker confirms), and ends when
all are confirmed. Reading n of a series has a time of its own, so that nothing is a repetition.
"""

import socket
import sys
import time

WINDOW = 2_000
CHUNK = 500


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


def publish(port: int, count: int, series: int, rate: float = 0.0) -> float:
    """Publish and return the seconds until the last confirmation."""
    sock = connect(port, f"bench-load-{time.time_ns()}")
    base_ms = time.time_ns() // 10**6 - count // series - 1_000
    begun_s = time.perf_counter()
    sent = confirmed_bytes = 0
    while confirmed_bytes < 4 * count:
        step = min(CHUNK, count - sent, WINDOW - (sent - confirmed_bytes // 4))
        if rate:
            step = min(step, int((time.perf_counter() - begun_s) * rate) - sent)
        if step > 0:
            chunk = []
            for n in range(sent, sent + step):
                k = n % series
                topic = b"sensors/bench%d/m%d" % (k // 10, k % 10)
                value = 20 + (n // series * 7 + k) % 100 / 10
                chunk.append(
                    packet(topic, b'{"value":%.1f,"ts":%d}' % (value, base_ms + n // series), n % 65_000 + 1)
                )
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
    print(f"{publish(port, count, series, float(sys.argv[4]) if len(sys.argv) > 4 else 0.0):.3f}")
