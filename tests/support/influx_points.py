"""What an InfluxDB store holds, read through its reader."""

from tests.support.stored import EVER_NS, Point

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.reader import InfluxReader
from sensorline.stores.influxdb.settings import InfluxSettings


def points(settings: InfluxSettings) -> list[Point]:
    """Return every reading."""
    reader = InfluxReader(settings)
    try:
        return [
            (*info.series, time_ns, value)
            for info in reader.latest()
            for time_ns, value in reader.export(info.series, 0, EVER_NS)
        ]
    finally:
        reader.close()


def count(settings: InfluxSettings) -> int:
    """Return how many readings there are, by rollups and what is not rolled up yet; 0 while InfluxDB is away."""
    reader = InfluxReader(settings)
    try:
        return sum(sum(reader.query(i.series, 0, EVER_NS, 1).n) for i in reader.latest())
    except StoreUnavailable:
        return 0
    finally:
        reader.close()


def environment(settings: InfluxSettings) -> dict[str, object]:
    """Return the environment that leads Sensorline's services there."""
    return {
        "INFLUXDB_V2_URL": settings.url,
        "INFLUXDB_V2_ORG": settings.org,
        "INFLUXDB_V2_TOKEN": settings.token.get_secret_value(),
        "INFLUXDB_V2_BUCKET": settings.bucket,
    }
