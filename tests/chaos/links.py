"""TCP links that can be slow, half-open or reset: a proxy on a port of its own for each, all in one thread with an event loop.

A half-open link swallows what comes and tells nobody; connections that it has met once are never heard of again, also when it is
mended: both ends have to notice by themselves.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from tests.support.ports import free_port

_T = TypeVar("_T")

PIECE = 1 << 16


class Mode(NamedTuple):
    """How a link is: seconds of delay, bytes a second (0: any), and whether it swallows everything."""

    latency_s: float = 0.0
    bytes_per_s: int = 0
    is_half_open: bool = False


WELL = Mode()
LATENCY = Mode(latency_s=0.25)
TRICKLE = Mode(bytes_per_s=2_000)
"""In pieces of a few bytes."""
HALF_OPEN = Mode(is_half_open=True)


class Wires:
    """The thread in which all links of a stack work."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the thread and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        """End the thread; links are closed before."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @staticmethod
    async def _end() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Cut(Exception):
    """Ends a connection with a reset."""


class Connection:
    """One client's connection. A subclass sees what goes over it."""

    def __init__(self) -> None:
        self.is_dead = False
        self.writers: list[asyncio.StreamWriter] = []

    def client_sent(self, data: bytes) -> bytes:
        """Return what of it goes on to the server. May raise Cut."""
        return data

    def server_sent(self, data: bytes) -> bytes:
        """Return what of it goes on to the client. May raise Cut."""
        return data

    def reset(self) -> None:
        """End it at once, with a reset to both ends and nothing delivered that is still on its way."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Link:
    """Passes everything on to a port of 127.0.0.1, and interferes when told. `make` makes each connection's witness."""

    def __init__(self, wires: Wires, to_port: int, make: Callable[[], Connection] = Connection) -> None:
        self._wires = wires
        self._to_port = to_port
        self._make = make
        self._mode = WELL
        self._open: set[Connection] = set()
        self.port = free_port()
        self._server = wires.run(self._listen())

    @property
    def environment(self) -> dict[str, object]:
        """The settings that lead Sensorline's services over this link to a broker."""
        return {"MQTT_HOST": "127.0.0.1", "MQTT_PORT": self.port}

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accepted, "127.0.0.1", self.port, limit=PIECE)

    def set(self, mode: Mode) -> None:
        """Change how the link is."""
        self._wires.run(self._set(mode))

    async def _set(self, mode: Mode) -> None:
        self._mode = mode
        if mode.is_half_open:
            for connection in self._open:
                connection.is_dead = True

    def reset(self) -> int:
        """Reset every connection and return how many there were."""
        return self._wires.run(self._reset())

    async def _reset(self) -> int:
        count = len(self._open)
        for connection in list(self._open):
            connection.reset()
        return count

    @property
    def open_count(self) -> int:
        """How many connections there are."""
        return len(self._open)

    def close(self) -> None:
        """Stop listening, and reset what is open."""
        self._wires.run(self._close())

    async def _close(self) -> None:
        self._server.close()
        await self._reset()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self._make()
        connection.is_dead = self._mode.is_half_open
        connection.writers.append(writer)
        self._open.add(connection)
        pumps = []
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port, limit=PIECE)
            connection.writers.append(to_writer)
            for side in (writer, to_writer):
                side.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps = [
                asyncio.ensure_future(self._pump(connection, reader, to_writer, connection.client_sent)),
                asyncio.ensure_future(self._pump(connection, to_reader, writer, connection.server_sent)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if connection.is_dead:
                # Each end has to find out for itself.
                await asyncio.wait(pumps)
        except OSError:
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            for side in connection.writers:
                side.transport.abort()
            self._open.discard(connection)

    async def _pump(
        self,
        connection: Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        look: Callable[[bytes], bytes],
    ) -> None:
        try:
            while data := await reader.read(PIECE):
                passed = look(data)
                if passed and not connection.is_dead:
                    await self._send(connection, writer, passed)
        except (Cut, OSError):
            connection.reset()

    async def _send(self, connection: Connection, writer: asyncio.StreamWriter, data: bytes) -> None:
        await asyncio.sleep(self._mode.latency_s)
        while data and not connection.is_dead:
            per_s = self._mode.bytes_per_s
            # At most a few bytes at a time, some fifty times a second.
            size = max(1, per_s // 50) if per_s else len(data)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            if data:
                await asyncio.sleep(size / per_s if per_s else 0)
