"""Upkeep in short steps between commits: sealing, joining, retention, and keeping the files small."""

from sensorline.settings import StoreSettings
from sensorline.stores.sqlite.joining import Joining
from sensorline.stores.sqlite.retention import Retention
from sensorline.stores.sqlite.sealing import Sealing
from sensorline.stores.sqlite.state import WriterState

LOG_BYTES = 4 * 2**20
"""The write-ahead log is taken over into the database when about this much was written to it: here rather than in a commit."""

PAGES_PER_VACUUM = 128


class Upkeep:
    """One step at a time; each is a transaction of its own and may be killed at any point."""

    def __init__(self, state: WriterState, settings: StoreSettings) -> None:
        self._state = state
        self.sealing = Sealing(state)
        self._joining = Joining(state)
        self._retention = Retention(state, settings)

    def step(self, now_ns: int) -> bool:
        """Do one step; True if there is more to do at once. Raises sqlite3.Error."""
        if self._state.written_bytes > LOG_BYTES:
            self._state.written_bytes = 0
            self._state.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return True
        return (
            self.sealing.step(now_ns)
            or self._joining.step(now_ns)
            or self._retention.step(now_ns)
            or self._give_back()
        )

    def _give_back(self) -> bool:
        """Make the file smaller where much of it is free; some is kept, since tomorrow needs it again."""
        db = self._state.db
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        if free < 2 * PAGES_PER_VACUUM or free * 5 < pages:
            return False
        db.execute(f"PRAGMA incremental_vacuum({PAGES_PER_VACUUM})").fetchall()
        self._state.written_bytes += PAGES_PER_VACUUM * 8_192
        return True
