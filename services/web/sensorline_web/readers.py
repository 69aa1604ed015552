"""Store readers, one for each question that is under way: a reader is not for two threads at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sensorline.stores.base import StoreReader

IDLE_READERS = 8


class ReaderPool:
    """Lends readers. Idle ones are kept, a few; more are made when needed and closed afterwards."""

    def __init__(self, make_reader: Callable[[], StoreReader]) -> None:
        self._make_reader = make_reader
        self._idle: list[StoreReader] = []
        self._lock = threading.Lock()
        self._is_closed = False

    @contextmanager
    def borrow(self) -> Iterator[StoreReader]:
        """Lend a reader for the length of a `with` block."""
        with self._lock:
            reader = self._idle.pop() if self._idle else None
        reader = reader or self._make_reader()
        try:
            yield reader
        finally:
            with self._lock:
                keep = len(self._idle) < IDLE_READERS and not self._is_closed
                if keep:
                    self._idle.append(reader)
            if not keep:
                reader.close()

    def close(self) -> None:
        """Close idle readers now and borrowed ones when they come back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
