"""Circus' watcher of one process, with the two things that it lacks here.

Circus starts each process in a session of its own (the terminal's Ctrl-C does not reach it), redirects its output,
and stops it with SIGTERM, then SIGKILL. We use its Watcher without its Arbiter: the arbiter stops all watchers at
once rather than in order, restarts at once rather than after a pause, drops a stop request that arrives while it
is starting a process, and listens on control sockets that nobody here needs.
"""

import ctypes
import os
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from circus.process import Process
from circus.stream import Redirector
from circus.watcher import Watcher

from sensorline.up.console import Console, LineStream
from sensorline.up.services import Service

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PIECE = 65_536


class _Process(Process):  # type: ignore[misc] # circus has no type information
    """A process that Linux asks to stop (SIGTERM) when its supervisor dies, even by kill -9."""

    def spawn(self) -> None:
        self._supervisor_pid = os.getpid()
        _prctl()  # loaded before the fork: the child must not load libraries
        super().spawn()

    def _null_streams(self, streams: Sequence[Any]) -> None:
        # Circus calls this in the child, between fork and exec; it has no hook of its own there.
        super()._null_streams(streams)
        prctl = _prctl()
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != self._supervisor_pid:
                os._exit(1)


class _Redirector(Redirector):  # type: ignore[misc] # circus has no type information
    """A redirector that reads a dead process' last words before it closes the pipe."""

    def remove_redirections(self, process: Process) -> None:
        for name, pipe in self.get_process_pipes(process):
            with suppress(OSError, ValueError):
                fd = pipe.fileno()
                # A grandchild may hold the other end open: read what is there, wait for nothing.
                os.set_blocking(fd, False)
                while data := os.read(fd, _PIECE):
                    self.redirect[name]({"data": data, "pid": process.pid, "name": name})
        super().remove_redirections(process)


class ServiceWatcher(Watcher):  # type: ignore[misc] # circus has no type information
    """One service's process, its output printed behind its name."""

    def __init__(self, service: Service, console: Console) -> None:
        self.out, self.err = LineStream(console, service.name), LineStream(console, service.name)
        super().__init__(
            service.name,
            shlex.quote(service.argv[0]),
            args=list(service.argv[1:]),
            env=dict(service.env),
            working_dir=os.getcwd(),
            graceful_timeout=service.stop_within_s,
            max_retry=1,
            stdout_stream={"stream": self.out},
            stderr_stream={"stream": self.err},
            hooks={"after_reap": (self._note_exit, True)},
        )
        self.exit_code: int | None = None

    @property
    def _process_class(self) -> type[_Process]:
        return _Process

    @property
    def _redirector_class(self) -> type[_Redirector]:
        return _Redirector

    def reap(self) -> int | None:
        """Return the exit status if the process has died (-N: by signal N), after printing its last words."""
        for pid, process in list(self.processes.items()):
            try:
                reaped, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                reaped, status = pid, None
            if reaped:
                self.stream_redirector.remove_redirections(process)
                self.flush()
                self.reap_process(pid, status)
                return self.exit_code or 0
        return None

    async def end(self) -> int | None:
        """Stop the process (SIGTERM, then SIGKILL), print its last words and return its exit status, if it ran."""
        self.exit_code = None
        await self.stop()
        self.flush()
        return self.exit_code

    def _note_exit(self, exit_code: int | None, **_: Any) -> None:
        """Keep the status of the last exit; circus' own record of it depends on who asked first."""
        self.exit_code = exit_code

    def take_last_lines(self) -> list[str]:
        """Return the newest lines that the process wrote, and forget them."""
        lines = [*self.out.last, *self.err.last]
        self.out.last.clear()
        self.err.last.clear()
        return lines

    def flush(self) -> None:
        """Print what the process wrote without a line end."""
        self.out.flush()
        self.err.flush()


@cache
def _prctl() -> Any:
    """Return Linux' prctl(2), or None on systems without it."""
    return getattr(ctypes.CDLL(None), "prctl", None)


def describe_exit(code: int) -> str:
    """Say how a process ended: `exited with status 70` or `was killed by SIGKILL`."""
    if code >= 0:
        return f"exited with status {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
