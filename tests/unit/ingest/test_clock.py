"""The clock of upkeep: it follows, but a jump forward has to last."""

from sensorline_ingest.clock import BELIEVED_AFTER_NS, CautiousClock

SECOND = 10**9
YEAR = 365 * 86_400 * SECOND


class Clocks:
    def __init__(self) -> None:
        self.wall = 1_790_000_000 * SECOND
        self.steady = 5 * SECOND

    def go(self, ns: int) -> None:
        self.wall += ns
        self.steady += ns

    def cautious(self) -> CautiousClock:
        return CautiousClock(lambda: self.wall, lambda: self.steady)


def test_it_follows_the_system_clock_and_its_small_corrections() -> None:
    clocks = Clocks()
    clock = clocks.cautious()
    for step in (0, SECOND, -SECOND, 30 * SECOND):
        clocks.go(3_600 * SECOND)
        clocks.wall += step
        assert clock.now_ns() == clocks.wall


def test_a_jump_forward_is_believed_only_when_it_lasts() -> None:
    clocks = Clocks()
    clock = clocks.cautious()
    before = clocks.wall
    clocks.wall += 3 * YEAR
    assert clock.now_ns() == before
    clocks.go(SECOND)
    assert clock.now_ns() == before + SECOND
    clocks.go(BELIEVED_AFTER_NS)
    assert clock.now_ns() == clocks.wall


def test_a_jump_that_is_taken_back_was_never_there() -> None:
    clocks = Clocks()
    clock = clocks.cautious()
    clocks.wall += 3 * YEAR
    clock.now_ns()
    clocks.wall -= 3 * YEAR
    clocks.go(BELIEVED_AFTER_NS)
    assert clock.now_ns() == clocks.wall


def test_a_step_back_is_followed_at_once_because_it_deletes_nothing() -> None:
    clocks = Clocks()
    clock = clocks.cautious()
    clocks.wall -= YEAR
    assert clock.now_ns() == clocks.wall
