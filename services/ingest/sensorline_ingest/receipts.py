"""What the broker may send again: receipts of committed messages, the newest in memory."""

import zlib
from collections.abc import Iterable

from sensorline.reading import Receipt
from sensorline.stores.base import RECEIPTS_KEPT


def seed(topic: bytes) -> int:
    """Return a topic's part of the digests of its messages. With the length, `a` + `bc` differs from `ab` + `c`."""
    return zlib.crc32(topic, len(topic))


def digest(topic: bytes, payload: bytes) -> int:
    """Return 32 bits that stay the same over restarts. They tell two messages with one packet identifier apart."""
    return zlib.crc32(payload, seed(topic))


def former_digest(topic: bytes, payload: bytes) -> int:
    """Return the 64 bits that receipts had at first: a message that comes again across the update is recognised by them."""
    return (zlib.crc32(payload, zlib.crc32(topic)) << 32) | zlib.adler32(payload, len(topic))


class Receipts:
    """The newest receipts in two columns. They are looked up only when the broker sends something again."""

    def __init__(self, known: Iterable[Receipt] = ()) -> None:
        self._ids: list[int] = []
        self._digests: list[int] = []
        self._batch: tuple[list[int], list[int]] = ([], [])
        self._by_id: dict[int, int] | None = None
        self._indexed = 0
        self._was_asked = False
        for receipt in known:
            self._ids.append(receipt.packet_id)
            self._digests.append(receipt.digest)

    def begin_batch(self, packet_ids: list[int], digests: list[int]) -> None:
        """Follow a batch's columns: what is appended to them counts at once, in place of an older same identifier."""
        if self._was_asked:
            self._catch_up()
        else:
            # Nothing is sent again any more: the index would only cost memory.
            self._by_id = None
        self._was_asked = False
        self._ids += self._batch[0]
        self._digests += self._batch[1]
        if len(self._ids) > 2 * RECEIPTS_KEPT:
            del self._ids[:-RECEIPTS_KEPT], self._digests[:-RECEIPTS_KEPT]
            self._by_id = None
        self._batch = packet_ids, digests
        self._indexed = 0

    def has(self, packet_id: int, topic: bytes, payload: bytes) -> bool:
        """Tell whether a message that is sent again (dup flag) is one that we have."""
        self._was_asked = True
        if self._by_id is None:
            newest = slice(-RECEIPTS_KEPT, None)
            self._by_id = dict(zip(self._ids[newest], self._digests[newest], strict=True))
            self._indexed = 0
        self._catch_up()
        known = self._by_id.get(packet_id)
        return known is not None and known in (digest(topic, payload), former_digest(topic, payload))

    def _catch_up(self) -> None:
        """Bring the index, if there is one, up to the last message of the batch."""
        ids, digests = self._batch
        if self._by_id is not None and self._indexed < len(ids):
            self._by_id.update(zip(ids[self._indexed :], digests[self._indexed :], strict=True))
            self._indexed = len(ids)

    def clear(self) -> None:
        """Forget all: the broker began a new session and gives packet identifiers out anew."""
        self._ids, self._digests, self._batch, self._by_id = [], [], ([], []), None
