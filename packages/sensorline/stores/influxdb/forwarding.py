"""The thread in which the forwarder works: what fails is tried again, later and later, and somebody is told."""

import random
import threading
import time
from collections import deque
from concurrent.futures import Future

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.forwarder import Forwarder
from sensorline.stores.influxdb.outbox import Outbox

log = structlog.get_logger()

RETRY_FIRST_S, RETRY_LAST_S = 0.1, 5.0
IDLE_S = 1.0
STOP_S = 3.0
UPKEEP_INTERVAL_S = 5.0
"""Between two rounds of upkeep."""
UPKEEP_REST = 4
"""While readings wait, a step of upkeep is followed by so many times its length without one: rollups can wait longer."""


class Forwarding:
    """Runs from `start` to `stop`. `problem` says what is wrong now, since `since_s` on the monotonic clock."""

    def __init__(self, forwarder: Forwarder, outbox: Outbox) -> None:
        self._forwarder = forwarder
        self._outbox = outbox
        self._condition = outbox.condition
        self._is_stopping = False
        self._hurries = False
        self._attempts = 0
        self._failed = 0
        self._upkeep_now_ns: int | None = None
        self._upkeep_due_s = 0.0
        self._steps: deque[tuple[int, Future[bool]]] = deque()
        self.problem = ""
        self.since_s = 0.0
        self._thread = threading.Thread(target=self._run, name="forwarder", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> bool:
        """End; what waits, waits on disk. False if a request that is under way does not: it ends with the process."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        self._thread.join(STOP_S)
        return not self._thread.is_alive()

    def want_upkeep(self, now_ns: int) -> None:
        """Ask for what upkeep there is to do now."""
        self._upkeep_now_ns = now_ns

    def step(self, now_ns: int) -> "Future[bool]":
        """Ask for one step of upkeep; its result tells whether there is more to do."""
        future: Future[bool] = Future()
        with self._condition:
            self._steps.append((now_ns, future))
            self._condition.notify_all()
        return future

    def drain(self, timeout_s: float) -> None:
        """Return when InfluxDB has everything. Raises StoreUnavailable when an attempt that began meanwhile has failed."""
        with self._condition:
            begun = self._attempts
            self._hurries = True
            self._condition.notify_all()
            ended = self._condition.wait_for(
                lambda: self._forwarder.is_idle or self._failed > begun, timeout_s
            )
            self._hurries = False
            if self._forwarder.is_idle:
                return
            problem = self.problem
        raise StoreUnavailable(problem if ended else f"nothing was delivered for {timeout_s} s")

    def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        while not self._is_stopping:
            self._attempts += 1
            try:
                worked = self._work()
            except StoreUnavailable as exc:
                self._fail(str(exc))
            except Exception as exc:
                # A mistake of ours. It is tried again like all else: it may be the moment's, and nothing may be left out.
                log.exception("forwarder_failed")
                self._fail(f"{type(exc).__name__}: {exc}")
            else:
                wait_s = RETRY_FIRST_S
                self._succeed()
                if not worked:
                    self._wait()
                continue
            with self._condition:
                # Not in step with others that wait for the same server.
                jitter_s = wait_s * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
                self._condition.wait_for(lambda: self._is_stopping or self._hurries, jitter_s)
            wait_s = min(wait_s * 2, RETRY_LAST_S)

    def _succeed(self) -> None:
        if self.problem:
            log.info("store_back", readings=self._outbox.readings, away_s=self.away_s)
            self.problem = ""

    def _work(self) -> bool:
        worked = self._forwarder.deliver()
        self._forwarder.save()
        while self._steps:
            now_ns, future = self._steps.popleft()
            try:
                future.set_result(self._forwarder.upkeep(now_ns))
            except StoreUnavailable as exc:
                future.set_exception(exc)
        wanted_ns = self._upkeep_now_ns
        if wanted_ns is not None and time.monotonic() >= self._upkeep_due_s:
            worked = True
            begun_s = time.monotonic()
            if self._forwarder.upkeep(wanted_ns):
                ended_s = time.monotonic()
                rest = 0.0 if self._forwarder.is_idle else UPKEEP_REST
                self._upkeep_due_s = ended_s + rest * (ended_s - begun_s)
            else:
                self._upkeep_now_ns = None
                self._upkeep_due_s = time.monotonic() + UPKEEP_INTERVAL_S
        return worked

    def _fail(self, problem: str) -> None:
        with self._condition:
            if not self.problem:
                self.since_s = time.monotonic()
            is_new, self.problem = problem != self.problem, problem
            self._failed = self._attempts
            self._condition.notify_all()
        if is_new:
            log.error(
                "store_away",
                detail=f"{problem}; readings wait in the journal",
                readings=self._outbox.readings,
            )

    @property
    def away_s(self) -> float:
        """For how long something has been wrong, in seconds."""
        return round(time.monotonic() - self.since_s, 1) if self.problem else 0.0

    def _wait(self) -> None:
        with self._condition:
            self._condition.notify_all()
            self._condition.wait_for(
                lambda: self._is_stopping or bool(self._steps) or not self._forwarder.is_idle,
                IDLE_S,
            )
