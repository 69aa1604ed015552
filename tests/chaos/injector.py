"""Does to the stack what a cycle of the schedule says, at the instants that it says."""

import heapq
import itertools
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.links import HALF_OPEN, LATENCY, TRICKLE, WELL
from tests.chaos.pause_point import PausePoint
from tests.chaos.schedule import Cycle, Fault
from tests.chaos.stack import Stack

POLL_S = 0.02
PAUSE_WAIT_S = 3.0
"""How long to wait for a program to come to a pause point; then it is killed, or left alone, where it is."""

AT_A_START = ("sealing", "joining")
"""What ingest does when it has just started, and seldom afterwards."""

DATABASE = "mosquitto.db"

Step = Callable[[], None]


class Injector:
    """Runs one cycle after the other. `said` has what did not go as the schedule wanted it."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._steps: list[tuple[float, int, Step]] = []
        self._order = itertools.count()
        self._points: list[PausePoint] = []
        self.said: list[str] = []

    def run(self, cycle: Cycle) -> None:
        """Return when every fault of the cycle has been done and has lasted as long as it should."""
        begun_s = time.monotonic()
        for fault in cycle.faults:
            self._at(begun_s + fault.at_s, lambda fault=fault: self._do(fault))
        while self._steps or time.monotonic() < begun_s + cycle.work_s:
            self._stack.tend()
            while self._steps and self._steps[0][0] <= time.monotonic():
                heapq.heappop(self._steps)[2]()
            time.sleep(POLL_S)
        for point in self._points:
            point.close()
        self._points.clear()

    def _at(self, at_s: float, step: Step) -> None:
        heapq.heappush(self._steps, (at_s, next(self._order), step))

    def _later(self, for_s: float, step: Step) -> None:
        self._at(time.monotonic() + for_s, step)

    def _do(self, fault: Fault) -> None:
        stack, of, for_s = self._stack, fault.of, fault.for_s
        match fault.what:
            case "kill":
                stack.kill(of, for_s)
            case "stop":
                for name in of:
                    self._send(name, signal.SIGSTOP)
                    self._later(for_s, lambda name=name: self._send(name, signal.SIGCONT))
            case "reset":
                stack.links[of[0]].reset()
            case "half-open" | "slow":
                link = stack.links[of[0]]
                link.set({"": HALF_OPEN, "latency": LATENCY, "trickle": TRICKLE}[fault.detail])
                self._later(for_s, lambda: link.set(WELL))
            case "disk-full":
                self._forbid_writing(of[0], int(fault.detail.split()[1]), for_s)
            case "database":
                stack.kill(of, for_s)
                damage(stack.broker.folder / DATABASE, fault.detail)
            case "pause-and-kill" | "pause-and-go-on":
                self._arm(fault)
            case "lost-replies":
                assert stack.store_link is not None
                stack.store_link.trouble.replies_to_lose = int(fault.detail)
            case "answer":
                assert stack.store_link is not None
                trouble = stack.store_link.trouble
                trouble.answer = fault.detail
                self._later(for_s, trouble.end)

    def _send(self, name: str, number: signal.Signals) -> None:
        self._stack.programs[name].send(number)

    def _forbid_writing(self, name: str, limit: int, for_s: float) -> None:
        """Let files of a program grow no further than to a limit, by prlimit(2): Python ignores SIGXFSZ, and writes fail with EFBIG."""
        process = self._stack.programs[name]
        if not process.is_running:
            self.said.append(f"{name} was not there to find its disk full")
            return
        pid, (soft, hard) = process.pid, resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))

        def allow() -> None:
            if process.is_running and process.pid == pid:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))

        self._later(for_s, allow)

    def _arm(self, fault: Fault) -> None:
        (name,) = fault.of
        point = PausePoint(self._stack.pauses(name), fault.detail)
        self._points.append(point)
        if fault.detail in AT_A_START:
            self._stack.kill((name,), 0.0)
        until_s = time.monotonic() + PAUSE_WAIT_S

        def look() -> None:
            pid = point.arrived()
            if pid is not None:
                self._later(fault.for_s, lambda: self._end_pause(fault, pid, point))
            elif time.monotonic() < until_s:
                self._later(POLL_S, look)
            else:
                self.said.append(f"{name} did not come to {fault.detail}")
                self._end_pause(fault, 0, point)

        look()

    def _end_pause(self, fault: Fault, pid: int, point: PausePoint) -> None:
        self._points.remove(point)
        point.close()
        process = self._stack.programs[fault.of[0]]
        if fault.what == "pause-and-kill":
            self._stack.kill(fault.of, 0.0)
        elif process.is_running and process.pid == pid:
            os.kill(pid, signal.SIGCONT)


def damage(file: Path, how: str) -> None:
    """Do to a broker's database what a power cut or a careless hand does; without a file there is nothing to damage."""
    if not file.exists():
        return
    size = file.stat().st_size
    match how:
        case "deleted":
            file.unlink()
        case "truncated":
            os.truncate(file, size // 2)
        case "zeroed":
            file.write_bytes(bytes(size))
        case "emptied":
            file.write_bytes(b"")
