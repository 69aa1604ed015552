"""Taking over what a bucket holds that the local file does not know: the file is new, or the readings are somebody else's.

Without it a late reading could take the place of a stored one.
"""

import structlog

from sensorline.reading import Series
from sensorline.stores.influxdb import local
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.half_days import HalfDays
from sensorline.stores.influxdb.known import Registry
from sensorline.stores.influxdb.local import LocalFile
from sensorline.stores.influxdb.names import shown_name
from sensorline.stores.influxdb.settings import Buckets

log = structlog.get_logger()


def adopt(
    file: LocalFile,
    registry: Registry,
    connection: Connection,
    buckets: Buckets,
    half_days: HalfDays,
    waiting: int,
) -> None:
    """Look through the bucket once, before the first reading is placed. Raises StoreUnavailable.

    `waiting` is how many readings are committed already: each may be placed a nanosecond after the newest.
    """
    first, last = connection.influxql(
        buckets.raw,
        ["SELECT first(value) FROM /.*/ GROUP BY device", "SELECT last(value) FROM /.*/ GROUP BY device"],
    )
    (border,) = connection.influxql(buckets.state, ["SELECT half_days FROM border"])
    oldest = {(table.tags.get("device"), table.name): table.values[0][0] for table in first}
    adopted, added = [], []
    with file.lock:
        try:
            for table in last:
                time_ns, value = table.values[-1]
                device = table.tags.get("device")
                if not device or isinstance(value, str | bool):
                    continue
                series = Series(shown_name(device), shown_name(table.name))
                known = registry.by_series.get(series)
                if known is None:
                    known = registry.add(series)
                    added.append(known)
                known.oldest_ns, known.newest_ns = oldest.get((device, table.name), time_ns), time_ns
                known.newest_value = float(value)
                known.committed_ns = max(known.committed_ns, time_ns) + waiting
                adopted.append(known)
            with file.transaction() as db:
                local.save_series(db, adopted)
                # Readers rely on the marks already.
                local.save_adopted(db, [known.id for known in adopted], bool(border))
        except BaseException:
            registry.remove(added)
            raise
    half_days.has_begun = bool(border)
    if adopted:
        log.info("adopted_stored_series", bucket=buckets.raw, series=len(adopted))
