"""At a start: the books as they were with the last commit, however the process before ended."""

import msgspec
import structlog

from sensorline.stores.base import StoreWriter
from sensorline_ingest.tracking.books import Books
from sensorline_ingest.tracking.notes import decode, say

log = structlog.get_logger()


def recalled(writer: StoreWriter) -> tuple[Books, dict[str, int]]:
    """Return the books, and how many readings of each device were in the last commit, as far as it left notes.

    Raises StoreUnavailable. Notes that cannot be read are no reason not to start: what follows them is not known, and that is logged.
    """
    books = Books()
    last: dict[str, int] = {}
    snapshot, notes = writer.recall()
    try:
        if snapshot:
            books.restore(snapshot)
        for data in notes:
            said = decode(books, data)
            say(books, said)
            books.unsaid = []
            books.due(said.now_ns)
            last = {found.device: found.readings for found in said.observed if found.readings}
    except (ValueError, msgspec.MsgspecError) as exc:
        log.error(
            "tracking_not_recalled",
            detail=f"{exc}; what is missing is known up to where they could be read",
        )
    return books, last
