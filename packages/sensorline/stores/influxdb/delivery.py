"""Line protocol delivered until InfluxDB has it: each status code handled, the one bad line found, nothing dropped.

Status codes: docs.influxdata.com/influxdb/v2/write-data/troubleshoot/, and what a real 2.7 was seen to do.

    204                   stored and synced to disk
    400, 422              one line or more was refused (400: nothing stored; 422: the rest stored, the count unreliable):
                          halves are sent again, which changes nothing where a point is there already, down to the line
    413                   too large: halves
    400, 413 of one line  that does not name it: hold, unless a line that was stored before is accepted meanwhile
    401, 403, 404         token, permission or bucket: hold, a person has to mend it
    429, 503              later, not before Retry-After
    anything else         unknown whether it was stored: the same bytes again
    500, again and again  to the same bytes, while a line that was stored before is accepted: halves, down to the line

The last one is for what we have encoded in a way that breaks the server, which says 500 then as it does for a malformed gzip body: such a
line would hold all that are behind it for ever. That compression is to blame is found out before, by lines sent without it.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.connection import HINTS, Connection, WriteAnswer

log = structlog.get_logger()

LINES_PER_REQUEST = 5_000
"""InfluxDB accepts any size (118 MB seen), so we keep requests small ourselves."""

BROKEN_S = 60.0
"""So long is the same body sent again after a 500, before we look for a line of it that breaks the server."""
BROKEN_TRIES = 3
"""So many times in a row a line by itself must be answered with 500, and another one accepted, before it is given up."""


class Refused(NamedTuple):
    """One line that InfluxDB refuses by itself, and its reason."""

    line: bytes
    why: str


class Misconfigured(StoreUnavailable):
    """InfluxDB is there, and the token, the bucket or the organization is wrong: a person has to mend it."""


class Delivery:
    """Sends bodies over a connection, one after the other."""

    def __init__(
        self,
        connection: Connection,
        clock_s: Callable[[], float] = time.monotonic,
        readings_bucket: str = "",
    ) -> None:
        self._connection = connection
        self._clock_s = clock_s
        self._readings_bucket = readings_bucket
        self._not_before_s = 0.0
        self._good = b""
        self._failing = b""
        """The body that was answered with 500, since `_failing_since_s`."""
        self._failing_since_s = 0.0
        self._is_plain = False

    def send(self, bucket: str, body: bytes) -> list[Refused]:
        """Return when every line is stored but those returned. Raises StoreUnavailable: then send the same body again."""
        if body.count(b"\n") <= LINES_PER_REQUEST:
            answer = self._send(bucket, body)
            return [] if answer is None else self._halve(bucket, body.splitlines(keepends=True), answer)
        lines = body.splitlines(keepends=True)
        refused: list[Refused] = []
        for first in range(0, len(lines), LINES_PER_REQUEST):
            part = lines[first : first + LINES_PER_REQUEST]
            answer = self._send(bucket, b"".join(part))
            if answer is not None:
                refused += self._halve(bucket, part, answer)
        return refused

    def _halve(
        self, bucket: str, lines: list[bytes], answer: WriteAnswer, *, is_searching: bool = False
    ) -> list[Refused]:
        """Send the halves of lines that were refused together, down to the one."""
        is_searching = is_searching or answer.status == 500
        if len(lines) == 1:
            if self._is_of_the_request(answer) and not self._takes_others():
                raise self._unavailable(bucket, answer)
            if answer.status == 500 and not self._breaks_it(bucket, lines[0]):
                return []
            return [Refused(lines[0].rstrip(b"\n"), answer.message)]
        middle = len(lines) // 2
        refused: list[Refused] = []
        for half in (lines[:middle], lines[middle:]):
            said = self._send(bucket, b"".join(half), is_searching=is_searching)
            if said is not None:
                refused += self._halve(bucket, half, said, is_searching=is_searching)
        return refused

    def _breaks_it(self, bucket: str, line: bytes) -> bool:
        """Tell whether a line is answered with 500 again and again while another one is accepted; False when it is stored."""
        for _ in range(BROKEN_TRIES - 1):
            answer = self._send(bucket, line, is_searching=True)
            if answer is None:
                return False
            if not self._takes_others():
                raise self._unavailable(bucket, answer)
        return True

    @staticmethod
    def _is_of_the_request(answer: WriteAnswer) -> bool:
        """Tell whether the fault may lie with the whole request: a proxy's limit, or something we do not know how to mend."""
        return answer.status in (413, 500) or (
            answer.status == 400 and "unable to parse" not in answer.message
        )

    def _takes_others(self) -> bool:
        """Tell whether a reading that was stored before is accepted again: then it is the other line's fault after all."""
        return bool(self._good) and self._send(self._readings_bucket, self._good, is_searching=True) is None

    def _send(self, bucket: str, body: bytes, *, is_searching: bool = False) -> WriteAnswer | None:
        """Return None when stored, the answer when the body is to be halved. Raises StoreUnavailable for all else.

        With `is_searching` a 500 is such an answer, too.
        """
        wait_s = self._not_before_s - self._clock_s()
        if wait_s > 0:
            raise StoreUnavailable(f"InfluxDB at {self._connection.url} asked to wait, {wait_s:.0f} s more")
        answer = self._write(bucket, body)
        if answer.status == 204:
            if bucket == self._readings_bucket:
                self._good = body[: body.find(b"\n") + 1]
            return None
        if answer.status in (400, 413, 422) or (answer.status == 500 and is_searching):
            return answer
        if answer.status == 500 and self._has_failed_long(body) and self._takes_others():
            log.error("store_breaks_on_lines", bucket=bucket, lines=body.count(b"\n"), detail=answer.message)
            return answer
        if answer.retry_after_s:
            self._not_before_s = self._clock_s() + answer.retry_after_s
        raise self._unavailable(bucket, answer)

    def _write(self, bucket: str, body: bytes) -> WriteAnswer:
        answer = self._connection.write(bucket, body, plain=self._is_plain)
        if answer.status not in (415, 500) or self._is_plain or not self._connection.compresses:
            return answer
        answer = self._connection.write(bucket, body, plain=True)
        if answer.status == 204:
            self._is_plain = True
            log.warning("influxdb_takes_no_compression", detail="lines are sent as they are from now on")
        return answer

    def _has_failed_long(self, body: bytes) -> bool:
        now_s = self._clock_s()
        if body != self._failing:
            self._failing, self._failing_since_s = body, now_s
        return now_s - self._failing_since_s >= BROKEN_S

    def _unavailable(self, bucket: str, answer: WriteAnswer) -> StoreUnavailable:
        if not answer.status:
            return StoreUnavailable(f"InfluxDB at {self._connection.url} does not answer: {answer.message}")
        said = f"InfluxDB at {self._connection.url} answered a write to {bucket} with {answer.status}: {answer.message}"
        if answer.status in HINTS:
            return Misconfigured(f"{said}; {HINTS[answer.status]}")
        return StoreUnavailable(said)
