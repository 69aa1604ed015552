"""Ends the process when it can no longer do its work, so that whoever supervises it starts a new one."""

import os
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

EXIT_CODE = 70
"""sysexits.h: EX_SOFTWARE."""

WORKER_TIMEOUT_S = 120.0


class Watchdog:
    """Looks once a second at the MQTT session and at the worker's pulse."""

    def __init__(self, problem: Callable[[], str | None], end: Callable[[int], None] = os._exit) -> None:
        self._problem = problem
        self._end = end
        self._pulse_s = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def pulse(self) -> None:
        """The worker is alive: called at least every few seconds, also while it retries a commit."""
        self._pulse_s = time.monotonic()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            problem = self._problem()
            silence_s = time.monotonic() - self._pulse_s
            if problem is None and silence_s > WORKER_TIMEOUT_S:
                problem = f"the worker has been silent for {silence_s:.0f} s"
            if problem is not None:
                log.error("watchdog_ends_process", problem=problem, exit_code=EXIT_CODE)
                # Not sys.exit(): a dead thread or a stuck worker would keep the process. Nothing is lost: what was not
                # acknowledged comes again.
                self._end(EXIT_CODE)
                return
