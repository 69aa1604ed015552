"""How often a device is to be expected: what it announced, else what it has kept to."""

from typing import Final

import msgspec

GAPS: Final = 16
GAPS_NEEDED: Final = 8
REGULAR_FACTOR: Final = 3
"""Gaps differ by less, or there is no rhythm: then nobody can say that a device is silent."""
ODD_ONES: Final = 4
"""So many gaps in a row that are too long were no outages: the device keeps to another rhythm now."""
ODD_COSTS: Final = 100
"""One gap that is too long weighs as much as so many that are not."""
DOUBT_LIMIT, DOUBT_MAX = 3 * ODD_COSTS, 5 * ODD_COSTS
"""From three such gaps among a few hundred on there is no rhythm: a device that speaks in bursts (a motion sensor) pauses, and
is not silent each time. At most so much doubt has to be made good again."""


class Rhythm(msgspec.Struct, array_like=True, gc=False):
    """`announced_s` is the device's own word. `gaps_ms` are the newest gaps between moments at which readings came."""

    announced_s: float | None = None
    gaps_ms: list[int] = []
    last_ms: int = 0
    odd: int = 0
    learned_ms: int = 0
    doubt: int = 0

    @property
    def interval_s(self) -> float | None:
        """The expected interval in seconds, or None while there is none."""
        if self.announced_s is not None:
            return self.announced_s
        return self.learned_ms / 1000 if self.learned_ms and self.doubt < DOUBT_LIMIT else None

    def beat(self, now_ms: int) -> None:
        """Readings came, and not late ones."""
        gap_ms, self.last_ms = now_ms - self.last_ms, now_ms
        if gap_ms <= 0 or gap_ms == now_ms:
            return
        if self.learned_ms and gap_ms > REGULAR_FACTOR * self.learned_ms:
            self.odd += 1
            self.doubt = min(self.doubt + ODD_COSTS, DOUBT_MAX)
            if self.odd >= ODD_ONES:
                self.doubt -= min(self.doubt, ODD_ONES * ODD_COSTS)
                self.gaps_ms, self.odd, self.learned_ms = [], 0, 0
            return
        self.odd = 0
        if self.doubt and self.learned_ms:
            self.doubt -= 1
        gaps = self.gaps_ms
        gaps.append(gap_ms)
        if len(gaps) > GAPS:
            # Half of them at once, so that there is something to reckon only now and then.
            del gaps[: GAPS // 2]
        if len(gaps) == GAPS_NEEDED or len(gaps) == GAPS:
            self._learn()

    def pause(self) -> None:
        """Nobody listened for a while: the next gap says nothing."""
        self.last_ms = 0

    def _learn(self) -> None:
        ordered = sorted(self.gaps_ms)
        # The longest but one: a single hiccup is no rhythm, and a device that speaks twice each time is not twice as fast.
        usual_ms, middle_ms = ordered[-2], ordered[len(ordered) // 2]
        self.learned_ms = usual_ms if usual_ms <= REGULAR_FACTOR * middle_ms else 0
