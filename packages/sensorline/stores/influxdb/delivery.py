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
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.connection import Connection, WriteAnswer

LINES_PER_REQUEST = 5_000
"""InfluxDB accepts any size (118 MB seen), so we keep requests small ourselves."""

_HINTS = {
    401: "check INFLUXDB_V2_TOKEN",
    403: "the token may not write there: `sensorline influx setup` makes one that may",
    404: "check INFLUXDB_V2_ORG and INFLUXDB_V2_BUCKET; `sensorline influx setup` makes the buckets",
}


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

    def _halve(self, bucket: str, lines: list[bytes], answer: WriteAnswer) -> list[Refused]:
        """Send the halves of lines that were refused together, down to the one."""
        if len(lines) == 1:
            if self._is_of_the_request(answer) and not self._takes_others():
                raise self._unavailable(bucket, answer)
            return [Refused(lines[0].rstrip(b"\n"), answer.message)]
        middle = len(lines) // 2
        refused: list[Refused] = []
        for half in (lines[:middle], lines[middle:]):
            said = self._send(bucket, b"".join(half))
            if said is not None:
                refused += self._halve(bucket, half, said)
        return refused

    @staticmethod
    def _is_of_the_request(answer: WriteAnswer) -> bool:
        """Tell whether the fault may lie with the whole request: a proxy's limit, or something we do not know how to mend."""
        return answer.status == 413 or (answer.status == 400 and "unable to parse" not in answer.message)

    def _takes_others(self) -> bool:
        """Tell whether a reading that was stored before is accepted again: then it is the other line's fault after all."""
        return bool(self._good) and self._send(self._readings_bucket, self._good) is None

    def _send(self, bucket: str, body: bytes) -> WriteAnswer | None:
        """Return None when stored, the answer when the body is to be halved. Raises StoreUnavailable for all else."""
        wait_s = self._not_before_s - self._clock_s()
        if wait_s > 0:
            raise StoreUnavailable(f"InfluxDB at {self._connection.url} asked to wait, {wait_s:.0f} s more")
        answer = self._connection.write(bucket, body)
        if answer.status == 204:
            if bucket == self._readings_bucket:
                self._good = body[: body.find(b"\n") + 1]
            return None
        if answer.status in (400, 413, 422):
            return answer
        if answer.retry_after_s:
            self._not_before_s = self._clock_s() + answer.retry_after_s
        raise self._unavailable(bucket, answer)

    def _unavailable(self, bucket: str, answer: WriteAnswer) -> StoreUnavailable:
        if not answer.status:
            return StoreUnavailable(f"InfluxDB at {self._connection.url} does not answer: {answer.message}")
        said = f"InfluxDB at {self._connection.url} answered a write to {bucket} with {answer.status}: {answer.message}"
        if answer.status in _HINTS:
            return Misconfigured(f"{said}; {_HINTS[answer.status]}")
        return StoreUnavailable(said)
