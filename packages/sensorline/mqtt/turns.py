"""PUBACKs in the order in which a connection delivered its messages [MQTT-4.6.0-2], also where we are done with them in another one.

That is so after a reconnect only. What the broker sends again may have been acknowledged on the connection that broke: it is queued as
new, behind messages that still wait and come again after it. Those are done first, and their acknowledgements wait here for their turn.
"""

from collections import Counter, deque
from collections.abc import Iterable


class Turns:
    """One connection's packet identifiers. Bounded by the broker's in-flight window."""

    def __init__(self) -> None:
        self._arrived: deque[int] = deque()
        self._done: Counter[int] = Counter()

    def __bool__(self) -> bool:
        """True while an identifier that has arrived was not released."""
        return bool(self._arrived)

    def arrived(self, packet_ids: Iterable[int]) -> None:
        """Note what the connection has delivered, in order; 0 is no identifier."""
        self._arrived.extend(filter(None, packet_ids))

    def done(self, packet_ids: Iterable[int]) -> list[int]:
        """Return the identifiers whose turn it is now that these are done, too."""
        self._done.update(packet_ids)
        released = []
        while self._arrived and self._done[self._arrived[0]]:
            packet_id = self._arrived.popleft()
            self._done[packet_id] -= 1
            released.append(packet_id)
        return released
