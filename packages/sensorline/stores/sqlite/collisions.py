"""Readings that are not the newest of their series: late, repeated, or another value at a time already taken."""

import sqlite3

_Key = tuple[int, int]
_Run = tuple[set[float], int]


class Collisions:
    """Places readings at free instants, inside the caller's transaction.

    A run is the unbroken sequence of stored nanoseconds that begins at a reading's time. The value is in it already:
    a repetition. Otherwise it is kept right after the run. Runs are remembered for the transaction, so that ten thousand
    values of one millisecond cost one look-up.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._runs: dict[_Key, _Run] = {}
        self._keys_by_end: dict[_Key, list[_Key]] = {}

    def place(self, series_id: int, time_ns: int, value: float) -> int | None:
        """Store a reading and return the time at which it was kept, or None for a repetition."""
        key = (series_id, time_ns)
        run = self._runs.get(key)
        if run is None:
            # Most repetitions repeat exactly what is there, and need no run.
            if self._value_at(series_id, time_ns) == value:
                return None
            run = self._load(series_id, time_ns)
            self._remember(key, run)
        values, free_ns = run
        if value in values:
            return None
        self._db.execute("INSERT INTO reading VALUES (?, ?, ?)", (series_id, free_ns, value))
        # Every remembered run that ended here has grown by this reading: forget it, it may even have met the next one.
        for grown in self._keys_by_end.pop((series_id, free_ns), ()):
            del self._runs[grown]
        if free_ns != time_ns and self._value_at(series_id, free_ns + 1) is None:
            values.add(value)
            self._remember(key, (values, free_ns + 1))
        return free_ns

    def _value_at(self, series_id: int, time_ns: int) -> float | None:
        sql = "SELECT value FROM reading WHERE series_id = ? AND time_ns = ?"
        row = self._db.execute(sql, (series_id, time_ns)).fetchone()
        return None if row is None else row[0]

    def _remember(self, key: _Key, run: _Run) -> None:
        self._runs[key] = run
        self._keys_by_end.setdefault((key[0], run[1]), []).append(key)

    def _load(self, series_id: int, time_ns: int) -> _Run:
        rows = self._db.execute(
            "SELECT time_ns, value FROM reading WHERE series_id = ? AND time_ns >= ? ORDER BY time_ns",
            (series_id, time_ns),
        )
        values: set[float] = set()
        free_ns = time_ns
        for row_ns, value in rows:
            if row_ns != free_ns:
                break
            values.add(value)
            free_ns += 1
        return values, free_ns
