"""What the broker may send again: receipts of committed messages, the newest in memory."""

import zlib
from collections.abc import Iterable

from sensorline.reading import Receipt
from sensorline.stores.base import RECEIPTS_KEPT


def digest(topic: bytes, payload: bytes) -> int:
    """Return 64 bits that stay the same over restarts. They tell two messages with one packet identifier apart."""
    return (zlib.crc32(payload, zlib.crc32(topic)) << 32) | zlib.adler32(payload, len(topic))


class Receipts:
    """The newest receipts by packet identifier."""

    def __init__(self, known: Iterable[Receipt] = ()) -> None:
        self._digests: dict[int, int] = {}
        for receipt in known:
            self.add(receipt)

    def add(self, receipt: Receipt) -> None:
        """Remember a message, in place of an older one with the same packet identifier."""
        self._digests.pop(receipt.packet_id, None)
        self._digests[receipt.packet_id] = receipt.digest
        if len(self._digests) > RECEIPTS_KEPT:
            del self._digests[next(iter(self._digests))]

    def has(self, receipt: Receipt) -> bool:
        """Tell whether a message that is sent again (dup flag) is one that we have."""
        return self._digests.get(receipt.packet_id) == receipt.digest

    def clear(self) -> None:
        """Forget all: the broker began a new session and gives packet identifiers out anew."""
        self._digests.clear()
