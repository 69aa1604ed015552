"""The newest reading of each series among those that wait: InfluxDB is told of it ahead of a long backlog.

So whoever asks for latest values is answered with those of now as soon as InfluxDB is back, while history follows in its order. It is
state, one line for each series that the next one replaces: what is stored, and how often, does not depend on it.
"""

import threading
import time

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb import points
from sensorline.stores.influxdb.delivery import Delivery
from sensorline.stores.influxdb.known import Registry
from sensorline.stores.journal import Entry

log = structlog.get_logger()

INTERVAL_S = 1.0
"""Between two times of telling, at least."""
REST = 4
"""With many series telling takes long: it is followed by so many times its length without, which are the backlog's."""

Newest = dict[int, tuple[int, float]]
"""By a series' number: time and value."""


class NewestWaiting:
    """One thread notes, another tells. Bounded by the number of series."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted: Newest = {}
        self._due_s = 0.0

    def note(self, entry: Entry) -> None:
        """Note an entry's newest readings; of two at one time the one that came later."""
        with self._lock:
            times_ns = entry.times_ns
            for series_id, first, behind in entry.groups():
                # Nearly always the last one.
                at = behind - 1
                time_ns = times_ns[at]
                for i in range(first, at):
                    if times_ns[i] > time_ns:
                        time_ns, at = times_ns[i], i
                before = self._noted.get(series_id)
                if before is None or time_ns >= before[0]:
                    self._noted[series_id] = (time_ns, entry.values[at])

    def forget(self) -> None:
        """Nothing waits long any more."""
        with self._lock:
            self._noted.clear()
            self._due_s = 0.0

    def tell(self, registry: Registry, delivery: Delivery, bucket: str) -> None:
        """Tell readers of what was noted since the last time, if that is due. Raises StoreUnavailable; then it is kept."""
        begun_s = time.monotonic()
        if begun_s < self._due_s:
            return
        with self._lock:
            noted, self._noted = self._noted, {}
        lines = []
        for series_id, (time_ns, value) in noted.items():
            known = registry.by_id[series_id]
            if time_ns > known.newest_ns:
                # Before it is sent: from now on nobody may put an older one in its place.
                known.told_ns = max(known.told_ns, time_ns)
                lines.append(points.latest_line(known.series, time_ns, value))
        try:
            refused = delivery.send(bucket, b"".join(lines)) if lines else []
        except StoreUnavailable:
            with self._lock:
                self._noted = noted | self._noted
            raise
        if refused:
            log.error("state_refused", bucket=bucket, lines=len(refused), detail=refused[0].why)
        ended_s = time.monotonic()
        self._due_s = ended_s + max(INTERVAL_S, REST * (ended_s - begun_s))
