"""Devices and latest values: what the live feed knows, completed by the store; the store may be away."""

import threading
import time
from collections.abc import Callable

import structlog

from sensorline.errors import StoreError
from sensorline_web.live.state import Changes, LiveState
from sensorline_web.readers import ReaderPool

log = structlog.get_logger()

FRESH_S = 1.0
"""The store is asked at most once in this time: a hundred pages that load together cost it one look."""


class Overview:
    """Keeps the live state completed by the store. `tell` announces what the store knew and the feed did not."""

    def __init__(
        self,
        state: LiveState,
        readers: ReaderPool,
        tell: Callable[[Changes], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = state
        self._readers = readers
        self._tell = tell
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._refreshed_s = float("-inf")

    def expire(self) -> None:
        """Something happened that people will ask about at once: the next `refresh` looks, however soon it comes."""
        self._refreshed_s = float("-inf")

    def refresh(self) -> bool:
        """Take in what the store knows, if that is due; False when the store could not be read."""
        with self._lock:
            now_s = self._clock_s()
            if now_s - self._refreshed_s < FRESH_S:
                return True
            self._refreshed_s = now_s
        try:
            with self._readers.borrow() as reader:
                changes = self.state.load(reader.devices(), reader.latest(), reader.accounts())
        except StoreError as exc:
            log.info("overview_without_store", detail=str(exc))
            return False
        self._tell(changes)
        return True
