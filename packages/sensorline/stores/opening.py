"""Which store is used, decided in one place: InfluxDB when INFLUXDB_V2_URL is set, else SQLite at STORE_PATH.

The InfluxDB store's modules are imported only when it is chosen: its client is an extra.
"""

import importlib.util
from pathlib import Path

from sensorline.errors import StartupError
from sensorline.settings import StoreSettings
from sensorline.stores.base import DeadLetters, StoreReader, StoreWriter
from sensorline.stores.influxdb.local import MIGRATIONS, path_beside
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.sqlite import SqliteDeadLetters, SqliteReader, SqliteWriter


def _need_client() -> None:
    if importlib.util.find_spec("influxdb_client") is None:
        raise StartupError(
            "INFLUXDB_V2_URL is set, but influxdb-client is not installed: pip install 'sensorline[influxdb]'"
        )


def kind(influx: InfluxSettings) -> str:
    """Return the name of the store that is used: `influxdb` or `sqlite`."""
    return "influxdb" if influx.is_chosen else "sqlite"


def local_path(store: StoreSettings, influx: InfluxSettings) -> Path:
    """Return the file that one ingest holds: the embedded store, or what is kept beside InfluxDB."""
    return path_beside(store.path) if influx.is_chosen else store.path


def open_writer(store: StoreSettings, influx: InfluxSettings) -> StoreWriter:
    """Return the writer. Raises StoreUnavailable, StoreTooNew, or StartupError when the client is not installed."""
    if not influx.is_chosen:
        return SqliteWriter(store)
    _need_client()
    from sensorline.stores.influxdb.writer import InfluxWriter

    return InfluxWriter(influx, store)


def open_reader(store: StoreSettings, influx: InfluxSettings) -> StoreReader:
    """Return a reader; nothing is opened before the first question. Raises StartupError as open_writer does."""
    if not influx.is_chosen:
        return SqliteReader(store.path)
    _need_client()
    from sensorline.stores.influxdb.reader import InfluxReader

    return InfluxReader(influx)


def open_dead_letters(store: StoreSettings, influx: InfluxSettings) -> DeadLetters:
    """Return the rejected messages, which ingest keeps on its own machine whatever the store."""
    if not influx.is_chosen:
        return SqliteDeadLetters(store.path)
    return SqliteDeadLetters(path_beside(store.path), MIGRATIONS)
