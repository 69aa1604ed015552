"""Frames: the first reading at once, then one frame a tick; bounded; on a clock that the test holds."""

from itertools import pairwise
from typing import Any

from sensorline.reading import Reading, Series
from sensorline_web.live.coalescer import Coalescer
from sensorline_web.live.groups import ALL_ROOM

A, B = Series("desk", "a"), Series("desk", "b")
T0_NS = 1_760_000_000_000 * 10**6


class Outbox:
    """Notes frames; may be told to refuse."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, list[Any]]] = []
        self.is_broken = False
        self.skipped = 0

    def emit(self, room: str, frame: list[Any]) -> None:
        if self.is_broken:
            raise OSError("cannot send")
        self.frames.append((room, frame))

    def skip(self, count: int) -> None:
        self.skipped += count


def build(outbox: Outbox, **changes: Any) -> Coalescer:
    return Coalescer(outbox.emit, tick_s=0.05, gather_s=0.005, on_skipped=outbox.skip, **changes)


def reading(i: int, series: Series = A, *, own: bool = True) -> Reading:
    return Reading(series, T0_NS + i * 10**6, float(i), None, own)


def test_the_first_reading_after_a_pause_goes_after_the_gathering_time() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.watch("x", None)
    coalescer.add([reading(0)], 10.0)
    assert coalescer.next_due_s() == 10.005
    assert coalescer.flush(10.004) == 0
    assert coalescer.flush(10.005) == 1
    assert outbox.frames == [(ALL_ROOM, [["desk", "a", [T0_NS // 10**6], [0.0], 1]])]
    assert coalescer.next_due_s() is None


def test_while_readings_keep_coming_frames_are_a_tick_apart() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.watch("x", None)
    sent_at = []
    for ms in range(200):
        coalescer.add([reading(ms)], ms / 1024)
        if coalescer.flush(ms / 1024):
            sent_at.append(ms)
    gaps = [later - earlier for earlier, later in pairwise(sent_at)]
    assert sent_at[0] == 6
    assert set(gaps) == {52}
    assert sum(len(entry[2]) for _, frame in outbox.frames for entry in frame) == sent_at[-1] + 1


def test_a_group_gets_only_what_it_watches_and_nobody_costs_nothing() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.add([reading(0)], 0.0)
    assert coalescer.next_due_s() is None
    coalescer.watch("x", frozenset({A}))
    coalescer.add([reading(1), reading(1, B)], 1.0)
    coalescer.flush(2.0)
    assert [[entry[:2] for entry in frame] for _, frame in outbox.frames] == [[["desk", "a"]]]


def test_members_with_one_wish_share_one_frame() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    for member in ("x", "y", "z"):
        coalescer.watch(member, frozenset({A}))
    coalescer.add([reading(1)], 1.0)
    assert coalescer.flush(2.0) == 1


def test_readings_without_their_own_time_are_apart() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.watch("x", None)
    coalescer.add([reading(1), reading(2, own=False)], 1.0)
    coalescer.flush(2.0)
    assert [(entry[3], entry[4]) for entry in outbox.frames[0][1]] == [([1.0], 1), ([2.0], 0)]


def test_what_waited_for_a_group_that_left_is_gone() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.watch("x", None)
    coalescer.add([reading(1)], 1.0)
    coalescer.forget("x")
    assert (coalescer.next_due_s(), coalescer.flush(2.0)) == (None, 0)


def test_a_flood_keeps_the_newest_of_each_series_and_counts_the_rest() -> None:
    outbox = Outbox()
    coalescer = build(outbox, max_waiting=100)
    coalescer.watch("x", None)
    coalescer.add([reading(i, series) for i in range(1000) for series in (A, B)], 1.0)
    coalescer.flush(2.0)
    (_, frame) = outbox.frames[0]
    kept = sum(len(entry[2]) for entry in frame)
    assert kept <= 100
    assert kept + outbox.skipped == 2000
    assert [entry[3][-1] for entry in frame] == [999.0, 999.0]


def test_a_frame_that_cannot_be_sent_becomes_the_newest_state_at_the_next_tick() -> None:
    outbox = Outbox()
    coalescer = build(outbox)
    coalescer.watch("x", None)
    coalescer.add([reading(i) for i in range(10)], 1.0)
    outbox.is_broken = True
    assert coalescer.flush(1.01) == 0
    outbox.is_broken = False
    assert coalescer.flush(1.02) == 0
    assert coalescer.flush(1.06) == 1
    assert outbox.frames[0][1][0][3] == [9.0]
    assert outbox.skipped == 9
