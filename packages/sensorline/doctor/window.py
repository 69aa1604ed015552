"""Measures what the broker does for a client that does not answer: how many messages it sends, and how many it keeps.

One connection publishes to itself with QoS 1 and holds its acknowledgements back: on a broker that gives each user one session
there cannot be two. What is delivered then is the in-flight window; what comes when it acknowledges at last was queued.
In between it disconnects and comes back, which shows whether the session was kept.
"""

import time

import msgspec

from sensorline.doctor.session import Names, PutOut, Session
from sensorline.mqtt import RawMessage
from sensorline.settings import MqttSettings

_STEP = 4
"""Growth from one step to the next. The smaller, the fewer messages the broker drops (and counts) beyond its limit."""
_FIRST = 64
_LARGE_WINDOW = 2_000
"""Each step fills the window first. Above this that takes longer than the step, and nobody who has set such a window has left
the queue as it was: then all that is wanted is tried at once."""
_CHECK_EVERY = 256
MARGIN = 256
"""So many beyond the window that is wanted: whether it ends just there shows too, and some wait in the queue."""
_ANSWER_WITHIN_S = 4.0
_QUIET_S = 0.7
"""A broker that has sent nothing for so long after an acknowledgement has no more."""


class Measured(msgspec.Struct):
    """`window` and `queued` are least values until the flag beside them says that the limit itself was found."""

    window: int = 0
    window_ends: bool = False
    queued: int = 0
    """Messages that were kept beyond the window."""
    queue_ends: bool = False
    session_kept: bool = False
    returned: bool = False
    """What was not acknowledged came again when the client came back."""
    dropped: int = 0
    """Test messages that the broker dropped at its limit; `$SYS` counts them."""
    was_heard: bool = True
    """False if nothing that was published came back: the broker's rules forbid the doctor's topics."""
    is_cut_off: bool = False
    """Time was over before all was measured."""


class _Flow:
    """Numbers the messages of one measurement and knows which have arrived."""

    def __init__(self, names: Names, session: Session, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self.topic, self._mark = f"{names.topic}/n", f"{names.topic}/mark"
        self._mark_key, self._marks = self._mark.encode(), 0
        self.session = session
        self.sent = 0
        self.arrived: set[int] = set()

    def send_up_to(self, count: int) -> bool:
        """Publish until `count` were sent; wait until the broker has worked through them. False: time was over before.

        The mark is published like the others, behind them, and delivered with QoS 0, which no window holds back.
        """
        for n in range(self.sent, count):
            if not n % _CHECK_EVERY and time.monotonic() > self._deadline_s:
                return False
            self.session.send(self.topic, str(n).encode())
            self.sent = n + 1
        self._marks += 1
        wanted = str(self._marks).encode()
        self.session.send(self._mark, wanted)
        found = self.session.receive(
            _ANSWER_WITHIN_S + count / 2_000, until=lambda m: m[0] == self._mark_key and m[1] == wanted
        )
        self._note(found)
        return any(m[0] == self._mark_key and m[1] == wanted for m in found)

    def acknowledge_all(self) -> None:
        """Acknowledge, and take what the broker sends then, until it has no more."""
        self.session.acknowledge()
        while len(self.arrived) < self.sent:
            found = self.session.receive(_QUIET_S, until=lambda _: True, acknowledges=True)
            self._note(found)
            if not found:
                break
        self.session.acknowledge()

    def _note(self, messages: list[RawMessage]) -> None:
        self.arrived.update(int(m[1]) for m in messages if m[0] != self._mark_key and m[1].isdigit())


def subscriptions(names: Names) -> list[tuple[str, int]]:
    """Return what the measuring session subscribes to."""
    return [(f"{names.topic}/n", 1), (f"{names.topic}/mark", 0)]


def measure(
    settings: MqttSettings, names: Names, *, window_wanted: int, queue_wanted: int, deadline_s: float
) -> Measured:
    """Measure until both are known to be as large as wanted, or where they end; `deadline_s` is a monotonic time.

    The session stays behind: the caller has the broker forget it. Raises NotLetIn or PutOut.
    """
    out = Measured()
    with Session(settings, names.client_id, keeps=True, subscriptions=subscriptions(names)) as session:
        flow = _Flow(names, session, deadline_s)
        _grow_window(flow, out, window_wanted)
        if not out.was_heard:
            return out
    sent, arrived = flow.sent, set(flow.arrived)
    with Session(settings, names.client_id, keeps=True, subscriptions=subscriptions(names)) as session:
        flow = _Flow(names, session, deadline_s)
        flow.sent = sent
        out.session_kept = session.session_present
        if not out.session_kept:
            return out
        flow.acknowledge_all()
        out.returned = arrived <= flow.arrived
        out.queued, lost = len(flow.arrived) - out.window, sent - len(flow.arrived)
        out.dropped, out.queue_ends = lost, lost > 0
        if out.window_ends and not out.queue_ends:
            _grow_queue(flow, out, queue_wanted)
    return out


def _grow_window(flow: _Flow, out: Measured, wanted: int) -> None:
    step = _FIRST
    while True:
        if not flow.send_up_to(min(step, wanted)):
            if not flow.session.is_open:
                raise PutOut("the connection ended while the window was measured")
            out.was_heard = bool(flow.arrived)
            out.is_cut_off = True
        out.window = len(flow.arrived)
        out.window_ends = out.window < flow.sent and not out.is_cut_off
        if out.window_ends or out.is_cut_off or flow.sent >= wanted:
            return
        step *= _STEP


def _grow_queue(flow: _Flow, out: Measured, wanted: int) -> None:
    step = max(_FIRST, out.queued)
    while out.queued < wanted:
        step = min(step * _STEP, wanted) if out.window <= _LARGE_WINDOW else wanted
        before = flow.sent
        if not flow.send_up_to(before + out.window + step):
            out.is_cut_off = True
            return
        flow.acknowledge_all()
        lost = flow.sent - len(flow.arrived) - out.dropped
        if lost > 0:
            out.dropped += lost
            out.queued, out.queue_ends = flow.sent - before - out.window - lost, True
            return
        out.queued = step
