"""Upkeep in short steps between commits: sealing, joining, retention, and keeping the files small."""

from sensorline.settings import StoreSettings
from sensorline.stores.sqlite.joining import Joining
from sensorline.stores.sqlite.retention import Retention
from sensorline.stores.sqlite.sealing import Sealing
from sensorline.stores.sqlite.state import WriterState

LOG_BYTES = 4 * 2**20
"""The write-ahead log is taken over into the database when about this much was written to it: here rather than in a commit."""

PAGES_PER_VACUUM = 128
LOOK_EVERY_NS = 60 * 10**9


class Upkeep:
    """One step at a time; each is a transaction of its own and may be killed at any point."""

    def __init__(self, state: WriterState, settings: StoreSettings) -> None:
        self._state = state
        self._settings = settings
        self.begin_again()

    def begin_again(self) -> None:
        """The state was loaded anew, or the clock was set back: forget what was under way and when the next look is due."""
        self._sealing = Sealing(self._state)
        self._joining = Joining(self._state)
        self._retention = Retention(self._state, self._settings)
        self._looked_ns, self._changes = -(2**63), -1

    def step(self, now_ns: int) -> bool:
        """Do one step; True if there is more to do at once. Raises sqlite3.Error."""
        if self._state.written_bytes > LOG_BYTES:
            self._state.written_bytes = 0
            self._state.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            return True
        if now_ns < self._looked_ns - LOOK_EVERY_NS:
            self.begin_again()
        if self._sealing.step(now_ns):
            return True
        if self._state.marks.changes == self._changes and now_ns < self._looked_ns + LOOK_EVERY_NS:
            return False
        if self._joining.step(now_ns) or self._retention.step(now_ns) or self._give_back():
            return True
        # Looking costs more than a small commit.
        self._looked_ns, self._changes = now_ns, self._state.marks.changes
        return False

    def seal_early(self) -> None:
        """Do a step of sealing, if memory is full. Raises sqlite3.Error."""
        self._sealing.step(0)

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
