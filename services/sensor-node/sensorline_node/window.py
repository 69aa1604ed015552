"""The window: how many repeated readings may be on their way without a confirmation."""

WINDOW_FIRST = 500
WINDOW_LEAST = 50
WINDOW_MOST = 8_000
"""Half a megabyte on the wire, small enough for five hundred nodes at once and for a node of 30 MB; confirmations that take a fifth
of a second leave 40,000 readings/s."""

PROMPT_S = 1.0
LATE_S = 3.0
"""What is confirmed within one second lets the window grow, what takes three seconds lets it shrink: so it holds what the way to the
store carries in about a second, and a live reading, which is behind it on the wire, is not much later than that."""


class Window:
    """`size` doubles with each window that is confirmed promptly, and halves, once a delay, with one that is late."""

    def __init__(self) -> None:
        self.size = WINDOW_FIRST
        self._shrunk_s = float("-inf")

    def confirmed(self, count: int, after_s: float, now_s: float) -> None:
        """Note that `count` repeated readings were confirmed, `after_s` seconds after they were sent."""
        if after_s <= PROMPT_S:
            self.size = min(WINDOW_MOST, self.size + count)
        elif after_s > LATE_S and now_s - self._shrunk_s > after_s:
            self._shrunk_s = now_s
            self.size = max(WINDOW_LEAST, self.size // 2)

    def begin(self) -> None:
        """Begin again: with a new connection, which may lead over another way, or when nothing was confirmed in time."""
        self.size = min(self.size, WINDOW_FIRST)
