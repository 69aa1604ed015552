"""Suspicion: which packet it is that the broker answers by ending the connection.

MQTT 3.1.1 has no way to refuse a message: a broker that finds one too large ends the connection, whatever else was on it.
When a connection ends with packets that the broker has not acknowledged, every reading that was under way is suspect. On the next
one packets go one at a time, and each only when everything before it has been acknowledged, until all suspects have passed. What is then alone under way when the connection ends has a strike. After two in a row arrays are made smaller; after
three a single reading is refused, and with it its metric: the next reading of it would be no smaller.
"""

from collections.abc import Callable, Iterable

import structlog

from sensorline_node.parcels import ARRAY_MAX, PAYLOAD_MAX_BYTES, Parcel
from sensorline_node.rows import Row

log = structlog.get_logger()

STRIKES_MAX = 3
ARRAY_STRIKES_MAX = 2
SHRINK_BY = 4
PAYLOAD_LEAST_BYTES = 100
LOOK_AT = 2_000

RETRY_AFTER_S = 6 * 3600.0
"""What was refused is tried again after six hours, since somebody may have mended the broker; a restart does so at once."""


class Suspicion:
    """Tells the courier whether to send singly, and what not to send at all."""

    def __init__(self) -> None:
        self.payload_max = PAYLOAD_MAX_BYTES
        self.refused: set[str] = set()
        """Metrics whose readings the broker does not take."""
        self.alone: Parcel | None = None
        """The parcel that is alone under way."""
        self._suspects: set[int] = set()
        self._strikes: dict[str, int] = {}
        self._array_strikes = 0
        self._struck_s = 0.0

    @property
    def is_careful(self) -> bool:
        """True while parcels have to go one by one."""
        return bool(self._suspects) or self.alone is not None

    def ended(self, unacknowledged: int, under_way: Iterable[int], now_s: float) -> Parcel | None:
        """Draw the conclusions from the end of a connection; return a parcel that is refused now.

        `unacknowledged` packets were not acknowledged by the broker; `under_way` are readings that ingest has not confirmed.
        """
        parcel, self.alone = self.alone, None
        if not unacknowledged:
            return None
        self._suspects.update(under_way)
        if parcel is None:
            return None
        self._struck_s = now_s
        if parcel.is_array:
            self._array_strikes += 1
            if self._array_strikes < ARRAY_STRIKES_MAX:
                return None
            self._array_strikes = 0
            # Not to a part of a limit: whatever passes is good enough, and each trial costs a connection.
            self.payload_max = max(PAYLOAD_LEAST_BYTES, len(parcel.payload) // SHRINK_BY)
            log.warning("packets_made_smaller", refused_bytes=len(parcel.payload), max_bytes=self.payload_max)
            return None
        strikes = self._strikes[parcel.metric] = self._strikes.get(parcel.metric, 0) + 1
        if strikes < STRIKES_MAX:
            return None
        del self._strikes[parcel.metric]
        self.refused.add(parcel.metric)
        log.error(
            "readings_set_aside",
            metric=parcel.metric,
            bytes=len(parcel.payload),
            detail=f"the broker ended the connection {STRIKES_MAX} times when a reading of it was sent, and nothing else;"
            " does its max_packet_size suffice? They stay in the outbox and are tried again later",
        )
        return parcel

    def passed(self) -> None:
        """Note that the broker acknowledged what was alone under way."""
        assert self.alone is not None
        self._strikes.pop(self.alone.metric, None)
        if self.alone.is_array:
            self._array_strikes = 0
        self._suspects.difference_update(self.alone.seqs)
        self.alone = None

    def next_of(self, after: Callable[[int, int], list[Row]]) -> list[Row]:
        """Return the next suspects of one metric, oldest first; none if all have passed or are not in the outbox any more.

        `after(seq, limit)` returns rows of the outbox.
        """
        while self._suspects:
            found = after(min(self._suspects) - 1, LOOK_AT)
            rows = [row for row in found if row.seq in self._suspects]
            if rows:
                return [row for row in rows if row.metric == rows[0].metric][:ARRAY_MAX]
            # Confirmed meanwhile, or set aside.
            looked_to = found[-1].seq if len(found) == LOOK_AT else max(self._suspects)
            self._suspects = {seq for seq in self._suspects if seq > looked_to}
        return []

    def forgives(self, now_s: float) -> bool:
        """Return True, once, when what was refused is to be tried again."""
        if (
            not (self.refused or self.payload_max < PAYLOAD_MAX_BYTES)
            or now_s - self._struck_s < RETRY_AFTER_S
        ):
            return False
        self.refused.clear()
        self.payload_max = PAYLOAD_MAX_BYTES
        return True
