"""After a cycle: how long until new readings arrive again, until everything has arrived, and what the broker has lost by itself."""

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.chaos.numbering import number_of
from tests.chaos.publisher import DEVICES
from tests.chaos.stack import Stack

from sensorline.errors import StoreUnavailable
from sensorline.reading import Series
from sensorline.stores.base import StoreReader

RECOVERY_LIMIT_S = 30.0
"""Promised: new readings of every device are stored so long after the last fault has ended."""
GIVE_UP_S = 90.0
POLL_S = 0.05
PATIENCE_S = 0.7
"""What is not confirmed after this long is sent again when its connection begins anew: so connections are reset, and nobody has to
wait for the nodes' own half a minute."""
AGAIN_AFTER = 8
ANOTHER_S = 3.0


class Stuck(Exception):
    """The stack does not come to rest; nothing more can be tried with it."""


class Recovery(NamedTuple):
    """Seconds after the last fault has ended."""

    recovered_s: float
    drained_s: float


class Quiet:
    """Watches one stack. `explained` collects what the broker confirmed to its publisher and then lost when it was killed."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._reader = stack.reader()
        self.explained: set[int] = set()
        self._first = 0
        self._begun_ns = self._begun_s = 0

    def begin(self) -> None:
        """A cycle begins."""
        self._first = len(self._stack.publisher.sent)
        self._begun_ns, self._begun_s = time.time_ns(), int(time.monotonic())
        self._stack.work()

    def end(self) -> Recovery:
        """Mend everything, and return when all has arrived. Raises Stuck."""
        stack = self._stack
        stack.heal()
        begun_s = time.monotonic()
        border = {node.name: node.attempted for node in stack.nodes} | {"plain": len(stack.publisher.sent)}
        self._wait(
            lambda: self._arrives(border), lambda: f"new readings to be stored: {border}, {self._newest()}"
        )
        recovered_s = time.monotonic() - begun_s
        stack.rest()
        self._drain()
        drained_s = time.monotonic() - begun_s
        self._explain()
        return Recovery(round(recovered_s, 2), round(drained_s, 2))

    def _wait(self, condition: Callable[[], bool], reason: Callable[[], str]) -> None:
        until_s = time.monotonic() + GIVE_UP_S
        while not condition():
            if time.monotonic() > until_s:
                raise Stuck(f"waited {GIVE_UP_S:g} s for {reason()}")
            self._stack.tend()
            time.sleep(POLL_S)

    def _arrives(self, border: dict[str, int]) -> bool:
        newest = self._newest()
        return (
            all(newest.get(name, -1) >= number for name, number in border.items()) and self._stack.is_ready()
        )

    def _newest(self) -> dict[str, int]:
        """Return the newest number that is stored of each node, and of all plain messages."""
        out: dict[str, int] = {}
        try:
            latest = self._reader.latest()
        except StoreUnavailable:
            return out
        for info in latest:
            name = "plain" if info.series.device in DEVICES else info.series.device
            out[name] = max(out.get(name, -1), number_of(info.value))
        return out

    def _drain(self) -> None:
        publisher, nodes = self._stack.publisher, self._stack.nodes
        self._wait(
            lambda: publisher.unconfirmed == 0, lambda: f"{publisher.unconfirmed} PUBACKs of the broker"
        )
        push_s = time.monotonic() + PATIENCE_S

        def are_empty() -> bool:
            nonlocal push_s
            if time.monotonic() > push_s:
                self._stack.field.reset()
                push_s = time.monotonic() + AGAIN_AFTER * PATIENCE_S
            return all(node.waiting == 0 for node in nodes)

        self._wait(are_empty, lambda: f"outboxes to be empty: {[node.waiting for node in nodes]}")
        # The broker hands over in order: with one that came last, all before it are stored or will never be.
        self._wait(
            lambda: publisher.unconfirmed == 0, lambda: f"{publisher.unconfirmed} PUBACKs of the broker"
        )
        last, again_s = publisher.send("now"), time.monotonic() + ANOTHER_S

        def is_stored() -> bool:
            nonlocal last, again_s
            if time.monotonic() > again_s:
                last, again_s = publisher.send("now"), time.monotonic() + ANOTHER_S
            return self._newest().get("plain", -1) >= last

        self._wait(is_stored, lambda: f"the last message, {last}, to be stored: {self._newest()}")
        self._wait(
            lambda: publisher.unconfirmed == 0, lambda: f"{publisher.unconfirmed} PUBACKs of the broker"
        )

    def _explain(self) -> None:
        """Note what the broker has lost: sent before it was killed, or before ingest had a session again after that."""
        stack, sent = self._stack, self._stack.publisher.sent
        broker_lost_s = max(stack.broker_killed_s, stack.core.witness.subscribed_anew_s)
        if broker_lost_s < self._begun_s:
            return
        missing = set(range(self._first, len(sent))) - self._stored_since()
        self.explained |= {number for number in missing if sent[number].at_s < broker_lost_s}

    def _stored_since(self) -> set[int]:
        """Return the numbers of plain messages that are stored since this cycle began."""
        stack = self._stack
        past_ns = (
            min((s.time_ms for s in stack.publisher.sent[self._first :] if s.device == DEVICES[0]), default=0)
            * 10**6
        )
        found = set()
        for device in DEVICES:
            since_ns = past_ns if device == DEVICES[0] else self._begun_ns - 10 * 10**9
            found |= _numbers(self._reader, Series(device, "m"), since_ns)
        letters = stack.dead_letters().list(5_000)
        return found | {int(letter.payload[4:]) for letter in letters if letter.payload.startswith(b"bad ")}

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


def _numbers(reader: StoreReader, series: Series, since_ns: int) -> set[int]:
    return {number_of(value) for _, value in reader.export(series, since_ns, 4_000_000_000 * 10**9)}
