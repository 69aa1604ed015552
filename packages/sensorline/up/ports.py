"""A port to listen on: the wanted one, or the next that is free."""

import errno
import socket
from collections.abc import Collection

from sensorline.errors import StartupError

_LAST_PORT = 65_535


def next_free_port(host: str, wanted: int, taken: Collection[int] = ()) -> int:
    """Return the first port from `wanted` upwards on which `host` can listen and that is not in `taken`.

    With 0 the system chooses. Raises StartupError when the address is not this machine's, when the port needs root,
    or when none is free.
    """
    for port in [0] if wanted == 0 else range(wanted, _LAST_PORT + 1):
        if port not in taken and (free := _free_port(host, port)):
            return free
    raise StartupError(
        f"no free port on {host} from {wanted} upwards: stop something, or choose a lower port"
    )


def _free_port(host: str, port: int) -> int | None:
    """Return the port on which `host` could listen, None if it is in use."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            # As the services do: connections in TIME_WAIT of the last run do not count as "in use".
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # With that option two sockets can be bound; that another one listens shows only here.
            probe.listen(1)
            return int(probe.getsockname()[1])
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return None
        why = exc.strerror or str(exc)
        raise StartupError(
            f"cannot listen on {host}:{port}: {why}; choose another address, or a port above 1023"
        ) from exc


def reachable(host: str) -> str:
    """Return the address under which this machine reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
