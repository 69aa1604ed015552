"""The supervisor, seen from outside, with stand-in services."""

import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.up.supervised import DEADLINE_S, Supervised

Supervise = Callable[..., Supervised]

# Says hello, then says why it ends. SIGINT has no handler: it would end with a traceback.
LIVES = """
import os, signal, sys, time
def end(signum, frame):
    print("saw", signal.Signals(signum).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("alive as", os.getpid())
while True:
    time.sleep(60)
"""
DIES = "import sys; print('bad day'); sys.exit(70)"


def _pid(line: str) -> int:
    return int(line.rsplit(" ", 1)[1])


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A zombie of a lost parent has ended too; it waits for init.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not _gone(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives after {DEADLINE_S} s"
        time.sleep(0.02)


def test_each_line_of_a_service_has_its_name_in_front_aligned(supervise: Supervise) -> None:
    up = supervise(("web", "print('one\\ntwo')\n" + LIVES, {}), ("ingest", LIVES, {}))
    up.until("alive", 2)
    up.stop()
    assert "web    | one" in up.lines
    assert "web    | two" in up.lines
    assert any(line.startswith("ingest | alive as ") for line in up.lines)


def test_last_words_without_a_line_end_and_on_stderr_are_printed(supervise: Supervise) -> None:
    source = "import sys; sys.stdout.write('x' * 200_000 + '!'); sys.stderr.write('because'); sys.exit(3)"
    up = supervise(("node", source, {}))
    up.until("node exited with status 3")
    up.stop()
    assert "node | because" in up.lines
    said = "".join(line.removeprefix("node | ") for line in up.lines if line.startswith("node | x"))
    assert said.startswith("x" * 200_000 + "!")


def test_control_characters_of_a_service_do_not_reach_the_terminal(supervise: Supervise) -> None:
    up = supervise(("web", "print('\\x1b[2Jgone\\x07')\n" + LIVES, {}))
    assert up.until("gone") == "web | \\x1b[2Jgone\\x07"
    up.stop()


def test_a_service_that_dies_is_restarted_later_each_time_with_one_line(supervise: Supervise) -> None:
    up = supervise(("ingest", DIES, {}), ("web", LIVES, {}))
    up.until("ingest exited with status 70, restarting in 0.5 s")
    up.until("ingest exited with status 70, restarting in 1 s")
    up.until("ingest exited with status 70, restarting in 2 s")
    up.stop()
    exits = [line for line in up.lines if line.startswith("ingest exited")]
    assert [line.split("in ")[1] for line in exits] == ["0.5 s", "1 s", "2 s"]
    assert up.lines.count("ingest | bad day") == 3
    assert len([line for line in up.lines if "alive" in line]) == 1, "the others were left alone"


def test_a_killed_service_comes_back_and_the_line_names_the_signal(supervise: Supervise) -> None:
    up = supervise(("web", LIVES, {}))
    first = _pid(up.until("alive"))
    os.kill(first, signal.SIGKILL)
    up.until("web was killed by SIGKILL, restarting in 0.5 s")
    assert _pid(up.until("alive", 2)) != first
    assert up.stop() == 0


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_in_the_reverse_order_with_exit_code_0(
    supervise: Supervise, signum: signal.Signals
) -> None:
    up = supervise(*((name, LIVES, {}) for name in ("broker", "ingest", "web", "node")))
    pids = [_pid(up.until("alive", n)) for n in (1, 2, 3, 4)]
    assert up.stop(signum) == 0
    stopped = [line.split(" ")[0] for line in up.lines if "saw SIGTERM" in line]
    assert stopped == ["node", "web", "ingest", "broker"]
    assert all(_gone(pid) for pid in pids)


def test_ctrl_c_in_the_terminal_reaches_the_supervisor_only(supervise: Supervise) -> None:
    up = supervise(("web", LIVES, {}))
    up.until("alive")
    os.killpg(up.process.pid, signal.SIGINT)
    assert up.end() == 0
    assert "web | saw SIGTERM" in up.lines
    assert not any("KeyboardInterrupt" in line for line in up.lines)


def test_a_service_that_ignores_sigterm_is_killed_and_named(supervise: Supervise) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('no'); time.sleep(60)"
    )
    up = supervise(("web", stubborn, {"stop_within_s": 0.3}))
    up.until("no")
    began = time.monotonic()
    assert up.stop() == 0
    assert time.monotonic() - began < 5
    assert "web did not stop within 0.3 s and was killed" in up.lines


def test_stopping_during_the_pause_before_a_restart_ends_at_once(supervise: Supervise) -> None:
    up = supervise(("ingest", DIES, {}))
    up.until("restarting in 1 s")
    assert up.stop() == 0
    assert len([line for line in up.lines if "bad day" in line]) == 2


def test_kill_9_of_the_supervisor_leaves_nothing_behind(supervise: Supervise) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a process that its parent died")
    up = supervise(("broker", LIVES, {}), ("web", LIVES, {}))
    pids = [_pid(up.until("alive", n)) for n in (1, 2)]
    up.process.kill()
    for pid in pids:
        _wait_until_gone(pid)


def test_services_after_the_broker_start_when_it_accepts_connections(supervise: Supervise) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listens = f"""
import socket, time
time.sleep(0.3)
print("listening")
server = socket.create_server(("127.0.0.1", {port}))
time.sleep(60)
"""
    up = supervise(("broker", listens, {"port": port, "holds_back_s": math.inf}), ("web", LIVES, {}))
    up.until("all ready")
    up.stop()
    order = [line for line in up.lines if "listening" in line or "alive" in line]
    assert order[0] == "broker | listening"


def test_a_service_that_does_not_get_ready_holds_the_next_back_for_its_time_only(
    supervise: Supervise,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nothing answers there
        up = supervise(
            ("ingest", "print('waits')\n" + LIVES, {"port": unused.getsockname()[1], "holds_back_s": 0.5}),
            ("node", LIVES, {}),
        )
        up.until("node   | alive")
        up.stop()
    assert "all ready" not in up.lines


def test_a_service_that_does_not_get_ready_is_named_once(supervise: Supervise) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: nothing answers there
        up = supervise(("web", LIVES, {"port": unused.getsockname()[1]}))
        line = up.until("web is late")
        up.stop()
    assert "has not answered for 0.5 s" in line
    assert len([line for line in up.lines if "is late" in line]) == 1
    assert "all ready" not in up.lines


def test_bad_settings_of_a_service_stop_everything_with_exit_code_2(supervise: Supervise) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        up = supervise(
            ("broker", LIVES, {}),
            ("web", "import sys; sys.exit(2)", {"port": unused.getsockname()[1]}),
        )
        assert up.end() == 2
    assert "web exited with status 2, stopping" in up.lines


def test_a_program_that_is_not_there_is_tried_again(supervise: Supervise) -> None:
    up = supervise(("broker", "", {"argv": ["/nonexistent/mosquitto"]}))
    up.until("broker could not be started, restarting in 0.5 s")
    up.until("broker could not be started, restarting in 1 s")
    assert up.stop() == 0
