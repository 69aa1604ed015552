"""One run: a schedule against a stack, the accounts at the end, and a table that people read."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.chaos import accounts, rollups
from tests.chaos.accounts import Account
from tests.chaos.injector import Injector
from tests.chaos.publisher import DEVICES
from tests.chaos.quiet import RECOVERY_LIMIT_S, Quiet, Recovery, Stuck
from tests.chaos.schedule import NODES, SQLITE, Cycle
from tests.chaos.stack import Stack
from tests.support.processes import run_sensorline

Say = Callable[[str], None]


class Outcome(NamedTuple):
    """What a run has shown; all is well when there are no faults."""

    accounts: tuple[Account, ...]
    recoveries: tuple[Recovery, ...]
    faults: tuple[str, ...]


def run(store: str, cycles: list[Cycle], folder: Path, say: Say) -> Outcome:
    """Run a schedule in a folder, saying a line for each cycle, and return what came of it. The folder gets the programs' output."""
    began_s = time.monotonic()
    stack = Stack(folder, store, lambda line: say(f"     {line}"))
    quiet, injector = Quiet(stack), Injector(stack)
    recoveries: list[Recovery] = []
    faults: list[str] = []
    try:
        for cycle in cycles:
            quiet.begin()
            injector.run(cycle)
            recovery = quiet.end()
            recoveries.append(recovery)
            say(
                f"{cycle}; new readings after {recovery.recovered_s:.1f} s, all after {recovery.drained_s:.1f} s"
            )
            for line in injector.said:
                say(f"     {line}")
            injector.said.clear()
            if recovery.recovered_s > RECOVERY_LIMIT_S:
                faults.append(f"cycle {cycle.number}: recovered after {recovery.recovered_s:.1f} s")
        found, more = _check(stack, quiet)
        faults += more
    except (Stuck, AssertionError) as exc:
        found = ()
        faults.append(f"cycle {len(recoveries) + 1}: {exc}")
    finally:
        quiet.close()
        stack.close()
        _keep_output(stack)
    say(table(found, recoveries, stack, time.monotonic() - began_s))
    for fault in faults:
        say(f"FAULT {fault}")
    return Outcome(found, tuple(recoveries), tuple(faults))


def _check(stack: Stack, quiet: Quiet) -> tuple[tuple[Account, ...], list[str]]:
    """Compare sets, once everything has ended in order."""
    codes = {program.name: program.stop() for program in (*stack.nodes, stack.ingest)}
    faults = [f"{name} ended with {code} when it was asked to stop" for name, code in codes.items() if code]
    publisher, witness = stack.publisher, stack.core.witness
    reader = stack.reader()
    try:
        stored = accounts.read_all(reader)
        letters = stack.dead_letters().list(1_000_000)
        found = (
            *(accounts.node_account(node.name, node.attempted, node.taken, stored) for node in stack.nodes),
            accounts.plain_account(
                publisher.sent, publisher.confirmed, quiet.explained, witness, stored, letters
            ),
        )
        faults += [fault for account in found for fault in account.faults]
        faults += accounts.strangers(stored, {*NODES, *DEVICES})
        faults += [f"on the wire: {rule}" for rule in witness.broken_rules[:5]]
        faults += rollups.differences(reader, stored)
    finally:
        reader.close()
    if stack.store == SQLITE:
        checked = run_sensorline(
            "store", "check", "--store", str(stack.store_path), folder=stack.folder, timeout_s=300
        )
        if checked.returncode != 0:
            faults.append(
                f"sensorline store check: {checked.stdout.decode()[-1000:]}{checked.stderr.decode()[-500:]}"
            )
    return found, faults


def _keep_output(stack: Stack) -> None:
    for name, process in stack.programs.items():
        (stack.folder / f"{name}.log").write_text(process.output(all_lives=True))


def table(found: tuple[Account, ...], recoveries: list[Recovery], stack: Stack, took_s: float) -> str:
    """Return the sets as counts, and how long recovery took."""
    names = ("source", "attempted", "acknowledged", "stored", "lost", "duplicated", "unexpected", "recovered")
    head = f"{names[0]:<10}" + "".join(f"{name:>13}" for name in names[1:])
    rows = [f"{a.source:<10}" + "".join(f"{getattr(a, name):>13,}" for name in names[1:]) for a in found]
    times = sorted(recovery.recovered_s for recovery in recoveries) or [0.0]
    lost_by_broker = sum(account.not_promised for account in found)
    return "\n".join(
        [
            "",
            head,
            *rows,
            "",
            f"confirmed to the publisher by a broker that was killed then, and lost by it (not promised): {lost_by_broker}",
            f"messages that came to ingest again: {stack.core.witness.repeated}; databases set aside: {stack.set_aside}",
            f"new readings after {times[len(times) // 2]:.1f} s (median), {times[-1]:.1f} s (longest of {len(recoveries)})",
            f"store {stack.store}, {took_s:.0f} s in all",
        ]
    )
