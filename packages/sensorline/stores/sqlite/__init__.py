"""The embedded store: one SQLite database, one writer, any number of readers."""

from sensorline.stores.sqlite.reader import SqliteDeadLetters, SqliteReader
from sensorline.stores.sqlite.writer import SqliteWriter

__all__ = ["SqliteDeadLetters", "SqliteReader", "SqliteWriter"]
