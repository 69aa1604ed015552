"""Keeps services alive: starts them in order, restarts what dies, stops them in the reverse order."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sensorline.up.backoff import Backoff
from sensorline.up.console import Console
from sensorline.up.process import ServiceWatcher, describe_exit
from sensorline.up.services import Service

_LATE_S = 60.0
_POLL_S = 0.03
# The status of bad settings (sensorline.errors): the same settings will not do better at the second try.
_REFUSALS = (1, 2)
"""A service that ends so before everything is ready has said why it cannot begin (bad settings, a session or store that
another one holds): starting it again and again would only bury its words."""


@dataclass(slots=True, eq=False)
class _Kept:
    service: Service
    watcher: ServiceWatcher
    backoff: Backoff = field(default_factory=Backoff)
    started_at: float = 0.0
    died: bool = False
    restart: asyncio.Task[None] | None = None


class Supervisor:
    """Runs services until SIGINT, SIGTERM or SIGHUP, or until one refuses its settings at the start."""

    def __init__(
        self,
        services: Sequence[Service],
        console: Console,
        announce: Callable[[], None],
        late_s: float = _LATE_S,
    ) -> None:
        self._services = services
        self._console = console
        self._announce = announce
        self._late_s = late_s
        self._kept: list[_Kept] = []
        self._stopping = asyncio.Event()
        self._announced = False
        self._exit_code = 0

    async def run(self) -> int:
        """Return the exit code when everything has stopped: 0, or 2 when a service refused its settings.

        `announce` is called once, when every service is ready.
        """
        loop = asyncio.get_running_loop()
        self._kept = [_Kept(service, ServiceWatcher(service, self._console)) for service in self._services]
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a lost terminal does not matter. SIGINT is ignored in what a script starts with `&`: whoever
            # sends it all the same means it.
            if signum != signal.SIGHUP or signal.getsignal(signum) is not signal.SIG_IGN:
                loop.add_signal_handler(signum, self._stopping.set)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        starting = asyncio.create_task(self._start())
        starting.add_done_callback(self._stop_if_failed)
        await self._stopping.wait()
        await self._cancel([starting, *(kept.restart for kept in self._kept if kept.restart)])
        await self._stop()
        if not starting.cancelled():
            starting.result()
        return self._exit_code

    def _stop_if_failed(self, starting: asyncio.Task[None]) -> None:
        if not starting.cancelled() and starting.exception():
            self._stopping.set()

    async def _start(self) -> None:
        async with asyncio.TaskGroup() as waits:
            for kept in self._kept:
                await self._spawn(kept)
                ready = waits.create_task(self._until_ready(kept.service))
                if kept.service.holds_back_s:
                    await asyncio.wait([ready], timeout=kept.service.holds_back_s)
        self._announced = True
        self._announce()

    async def _until_ready(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        late_at = loop.time() + self._late_s
        while service.ready is not None and not await service.ready.passes():
            await asyncio.sleep(_POLL_S)
            if loop.time() > late_at:
                late_at = float("inf")
                self._console.say(
                    f"{service.name} is late: {service.ready} has not answered for {self._late_s:g} s; still waiting"
                )

    async def _spawn(self, kept: _Kept) -> None:
        kept.started_at = asyncio.get_running_loop().time()
        kept.died = False
        await kept.watcher.start()
        if not kept.watcher.processes and not kept.died:
            # Circus has logged why: no such program, not executable.
            self._restart_later(kept, "could not be started")

    def _reap(self) -> None:
        if self._stopping.is_set():
            return
        for kept in self._kept:
            code = kept.watcher.reap()
            if code is None:
                continue
            lines, mend = kept.watcher.take_last_lines(), kept.service.mend
            mended = mend(lines) if mend else None
            if mended:
                self._console.say(mended)
            elif code in _REFUSALS and not self._announced:
                self._console.say(f"{kept.service.name} {describe_exit(code)}, stopping")
                self._exit_code = code
                self._stopping.set()
                return
            kept.died = True
            self._restart_later(kept, describe_exit(code))

    def _restart_later(self, kept: _Kept, what: str) -> None:
        delay_s = kept.backoff.after(asyncio.get_running_loop().time() - kept.started_at)
        self._console.say(f"{kept.service.name} {what}, restarting in {delay_s:g} s")

        async def restart() -> None:
            await asyncio.sleep(delay_s)
            await self._spawn(kept)

        kept.restart = asyncio.create_task(restart())

    async def _stop(self) -> None:
        for kept in reversed(self._kept):
            name, code = kept.service.name, await kept.watcher.end()
            if code == -signal.SIGKILL:
                self._console.say(
                    f"{name} did not stop within {kept.service.stop_within_s:g} s and was killed"
                )
            elif code not in (None, 0, -signal.SIGTERM):
                self._console.say(f"{name} {describe_exit(code)} while stopping")

    @staticmethod
    async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
