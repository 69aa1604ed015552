"""The embedded store: one SQLite database, one writer, any number of readers."""

from sensorline.stores.sqlite.dead_letters import SqliteDeadLetters
from sensorline.stores.sqlite.reader import SqliteReader
from sensorline.stores.sqlite.writer import SqliteWriter

__all__ = ["SqliteDeadLetters", "SqliteReader", "SqliteWriter"]
