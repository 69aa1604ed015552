"""HEALTHCHECK of the images, without Sensorline's own packages: it starts in a tenth of a second, every few seconds.

    healthcheck.py PORT     /readyz on this port of the container answers 200
    healthcheck.py broker   a connection with the broker's port (MQTT_PORT) stands

Exit code 0 or 1, with one line that `docker inspect` shows.
"""

import os
import socket
import sys

TIMEOUT_S = 4.0
ESTABLISHED = "01"
"""The state in /proc/net/tcp of a connection that stands (proc(5), include/net/tcp_states.h)."""


def readyz(port: int) -> tuple[bool, str]:
    """Return whether /readyz says yes, and what it said."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            # HTTP/1.0: the server closes afterwards.
            connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            with connection.makefile("rb") as file:
                answer = file.read().decode(errors="replace")
    except OSError as exc:
        return False, f"port {port} does not answer: {exc}"
    return answer.split(" ")[1:2] == ["200"], answer.rpartition("\r\n")[2].strip()


def broker(port: int) -> tuple[bool, str]:
    """Return whether this container has a connection with the port of a broker, and the same in words."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except FileNotFoundError:
            continue
        if any(int(row[2].rpartition(":")[2], 16) == port and row[3] == ESTABLISHED for row in rows):
            return True, f"connected with port {port}"
    return False, f"no connection with port {port}"


if __name__ == "__main__":
    what = sys.argv[1]
    is_well, said = (
        broker(int(os.environ.get("MQTT_PORT") or 1883)) if what == "broker" else readyz(int(what))
    )
    print(said)  # noqa: T201 - this is what `docker inspect` shows
    sys.exit(not is_well)
