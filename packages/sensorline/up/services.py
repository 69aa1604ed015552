"""A service as data: what to run and how to tell that it is ready."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

# A local service that answers at all answers within this; the next try follows at once.
_TRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """A port that must accept a connection and, with a path, answer `GET path` with status 200."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}" if self.path else f"{host}:{self.port}"

    async def passes(self) -> bool:
        """Tell whether it answers now, within two seconds."""
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_TRY_S):
                return await self._ask()
        return False

    async def _ask(self) -> bool:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            if not self.path:
                return True
            # HTTP/1.0: the server closes afterwards, so that no connection is left for it to time out.
            writer.write(f"GET {self.path} HTTP/1.0\r\nHost: {self.host}\r\n\r\n".encode())
            status_line = await reader.readline()
            return status_line.split(b" ")[1:2] == [b"200"]
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@dataclass(frozen=True, slots=True)
class Service:
    """One process to keep alive. Services are listed in the order of their start and stop in the reverse order."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Check | None = None
    holds_back_s: float = 0.0
    """Services after this one start when it is ready, or after this many seconds at the latest."""
    stop_within_s: float = 2.0
    """After SIGTERM and this many seconds it is killed."""
    mend: Callable[[Sequence[str]], str | None] | None = None
    """Asked when it has died, with the last lines that it wrote: a sentence says that the cause is away, and how."""
