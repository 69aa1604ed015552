"""Ports and names that nobody else uses."""

import itertools
import os
import socket

_numbers = itertools.count(1)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int) -> bool:
    """Tell whether something listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def unique(word: str) -> str:
    """Return a name that begins with `word` and that no other test of any run at this time uses."""
    return f"{word}-{os.getpid()}-{next(_numbers)}"
