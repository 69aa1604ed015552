"""The messages that could not become readings, as the embedded store keeps them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sensorline.errors import StoreUnavailable
from sensorline.reading import DeadLetter
from sensorline.stores.sqlite import schema
from sensorline.stores.sqlite.versions import MIGRATIONS


class SqliteDeadLetters:
    """The embedded store's dead letters: see stores.base.DeadLetters. Each call opens the database and closes it."""

    def __init__(self, path: Path, migrations: schema.Migrations = MIGRATIONS) -> None:
        self._path = path
        self._migrations = migrations

    def _select(self, where: str, parameters: Sequence[Any]) -> list[DeadLetter]:
        with closing(schema.open_reader(self._path, self._migrations)) as db:
            try:
                rows = db.execute(
                    f"SELECT topic, payload, reason, detail, received_ns, id FROM dead_letter WHERE {where}",
                    parameters,
                ).fetchall()
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"cannot read the store {self._path}: {exc}") from exc
        return [DeadLetter(*row) for row in rows]

    def list(self, limit: int, before_id: int | None = None) -> list[DeadLetter]:
        """Return the newest dead letters, newest first."""
        return self._select("id < ? ORDER BY id DESC LIMIT ?", (before_id or 2**62, limit))

    def get(self, dead_letter_id: int) -> DeadLetter | None:
        """Return one dead letter whole, or None."""
        found = self._select("id = ?", (dead_letter_id,))
        return found[0] if found else None

    def drop(self, dead_letter_ids: Sequence[int] | None) -> int:
        """Delete the given dead letters, or all with None; return how many there were."""
        with closing(schema.open_writer(self._path, self._migrations)) as db:
            try:
                if dead_letter_ids is None:
                    return db.execute("DELETE FROM dead_letter").rowcount
                return db.executemany(
                    "DELETE FROM dead_letter WHERE id = ?", [(i,) for i in dead_letter_ids]
                ).rowcount
            except sqlite3.Error as exc:
                raise StoreUnavailable(f"cannot write to the store {self._path}: {exc}") from exc
