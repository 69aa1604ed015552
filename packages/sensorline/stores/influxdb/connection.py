"""HTTP to InfluxDB: line protocol for writing, InfluxQL and Flux for reading, over one connection that is kept open.

Plain requests rather than influxdb-client's: with ready-made bytes it has nothing to add, and its batching API drops what was refused.
InfluxQL answers come as MessagePack, which can say that a sum is infinite; JSON cannot, and fails.
"""

import gzip
import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.settings import InfluxSettings

STATEMENTS_PER_REQUEST = 200

HINTS = {
    401: "check INFLUXDB_V2_TOKEN",
    403: "the token may not do that there: `sensorline influx setup` makes one that may",
    404: "check INFLUXDB_V2_ORG and INFLUXDB_V2_BUCKET; `sensorline influx setup` makes the buckets",
}
"""What a person can do, by the status code. The token may be the wrong one, or one that was revoked."""


class Table(msgspec.Struct, gc=False):
    """One series of an InfluxQL answer: measurement, tags that were grouped by, and rows of (time, …)."""

    values: list[list[Any]] = []
    name: str = ""
    tags: dict[str, str] = {}


class _Statement(msgspec.Struct, gc=False):
    series: list[Table] = []
    error: str = ""


class _Answer(msgspec.Struct, gc=False):
    results: list[_Statement] = []
    error: str = ""


_decoder = msgspec.msgpack.Decoder(_Answer)


class WriteAnswer(msgspec.Struct):
    """What InfluxDB said to a write: status 0 for no answer at all."""

    status: int
    message: str
    retry_after_s: float = 0.0


class Connection:
    """One process's way to InfluxDB. Not for use by two threads at once."""

    def __init__(self, settings: InfluxSettings) -> None:
        self.url = settings.url.rstrip("/")
        self._org = settings.org
        token = settings.token.get_secret_value()
        self._headers = {"Authorization": f"Token {token}"}
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=min(5.0, settings.timeout / 1000), read=settings.timeout / 1000),
            cert_reqs="CERT_REQUIRED" if settings.verify_ssl else "CERT_NONE",
            ca_certs=str(settings.ssl_ca_cert) if settings.ssl_ca_cert else None,
        )
        # Compressing costs more than a loopback does.
        self.compresses = not _is_loopback(self.url)

    def write(self, bucket: str, lines: bytes, *, plain: bool = False) -> WriteAnswer:
        """Send line protocol as it is and return the answer; never raises for one that is not 204. `plain`: not compressed."""
        headers = self._headers | {"Content-Type": "text/plain; charset=utf-8"}
        if self.compresses and not plain:
            lines = gzip.compress(lines, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        path = f"/api/v2/write?org={quote(self._org, safe='')}&bucket={quote(bucket, safe='')}&precision=ns"
        try:
            reply = self._pool.request("POST", self.url + path, headers=headers, body=lines, redirect=False)
        # Network faults are urllib3's own; a closed socket is an OSError.
        except (HTTPError, OSError) as exc:
            return WriteAnswer(0, f"{type(exc).__name__}: {exc}")
        if reply.status == 204:
            return WriteAnswer(204, "")
        return WriteAnswer(reply.status, _message(reply.data or reply.reason), _retry_after_s(reply.headers))

    def influxql(self, bucket: str, statements: Sequence[str], **parameters: str) -> list[list[Table]]:
        """Return the tables of each statement, read from `bucket`. Raises StoreUnavailable."""
        out: list[list[Table]] = []
        for first in range(0, len(statements), STATEMENTS_PER_REQUEST):
            part = statements[first : first + STATEMENTS_PER_REQUEST]
            out += self._ask(bucket, part, parameters)
        return out

    def _ask(
        self, bucket: str, statements: Sequence[str], parameters: Mapping[str, str]
    ) -> list[list[Table]]:
        fields = {"db": bucket, "epoch": "ns", "q": ";".join(statements), "params": json.dumps(parameters)}
        body = self._request(
            "/query", {"Accept": "application/x-msgpack"}, fields=fields, encode_multipart=False
        )
        try:
            answer = _decoder.decode(body)
        except msgspec.MsgspecError as exc:
            raise StoreUnavailable(f"InfluxDB at {self.url} answered a query with {body[:200]!r}") from exc
        # A bucket that is missing or forbidden, or a timeout: InfluxQL answers 200 and says it inside. Statements after the
        # one that failed only say that they were not executed.
        errors = [error for error in (answer.error, *(result.error for result in answer.results)) if error]
        if errors:
            error = next((text for text in errors if text != "not executed"), errors[0])
            raise StoreUnavailable(f"InfluxDB at {self.url} refused a query on {bucket}: {error}")
        return [result.series for result in answer.results]

    def flux(self, query: str) -> list[list[str]]:
        """Return the rows of all of a Flux query's results as text, headers left out. Raises StoreUnavailable."""
        dialect = {"header": False, "annotations": []}
        body = json.dumps({"query": query, "type": "flux", "dialect": dialect}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/csv"}
        path = f"/api/v2/query?org={quote(self._org, safe='')}"
        answer = self._request(path, headers, body=body)
        return [line.split(",") for line in answer.decode().split("\r\n") if line]

    def _request(self, path: str, headers: dict[str, str], **options: Any) -> bytes:
        try:
            reply = self._pool.request("POST", self.url + path, headers=self._headers | headers, **options)
        except (HTTPError, OSError) as exc:
            raise StoreUnavailable(f"InfluxDB at {self.url} does not answer: {exc}") from exc
        if reply.status != 200:
            said = f"InfluxDB at {self.url} answered a query with {reply.status}: {_message(reply.data)}"
            raise StoreUnavailable(f"{said}; {HINTS[reply.status]}" if reply.status in HINTS else said)
        return bytes(reply.data)

    def get(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status, body and headers of a page of InfluxDB's own API. Raises StoreUnavailable when nobody answers."""
        try:
            reply = self._pool.request("GET", self.url + path, headers=self._headers, redirect=False)
        except (HTTPError, OSError) as exc:
            raise StoreUnavailable(f"InfluxDB at {self.url} does not answer: {exc}") from exc
        return reply.status, bytes(reply.data), dict(reply.headers)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._pool.clear()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _message(body: Any) -> str:
    """Return InfluxDB's own words of an error, short."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        said = json.loads(text)
        text = str(said.get("message") or said.get("error") or text)
    except (ValueError, AttributeError):
        pass
    return text.strip()[:500]


def _retry_after_s(headers: Any) -> float:
    """Return Retry-After in seconds, given so or as a date (RFC 9110, section 10.2.3), at most ten minutes; 0 if there is none."""
    text = str((headers or {}).get("Retry-After") or "0")
    try:
        wait_s = float(text) if text[0].isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 0.0
    return min(max(wait_s, 0.0), 600.0)
