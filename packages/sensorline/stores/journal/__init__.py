"""The journal: what was committed, batch after batch, until a store has put it where it belongs."""

from sensorline.stores.journal.codec import Entry, decode, encode
from sensorline.stores.journal.notes import SNAPSHOT_TABLE, Notes, recall
from sensorline.stores.journal.table import TABLES, Cursor, Journal

__all__ = ["SNAPSHOT_TABLE", "TABLES", "Cursor", "Entry", "Journal", "Notes", "decode", "encode", "recall"]
