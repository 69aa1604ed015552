"""What an operator wants to know of an InfluxDB, asked with a service's own token: `sensorline doctor`. Nothing is written."""

import time
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import msgspec

from sensorline.errors import StoreUnavailable
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.names import flux_text
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

TIMEOUT_MS = 3_000
TAKES_AT_MOST_S = 8.0


class Bucket(msgspec.Struct):
    """How a bucket answers. `kept_s` 0 keeps everything; None where the bucket is not to be seen."""

    name: str
    kept_s: int | None = None
    read_refused: str = ""
    write_refused: str = ""


class Inspected(msgspec.Struct):
    """What was found. `problem` is why there is nothing else."""

    url: str
    version: str = ""
    problem: str = ""
    buckets: list[Bucket] = []
    other_buckets: list[str] = []
    """Buckets of others that this token may read."""
    is_operator: bool = False
    """The token may read tokens or organizations, which no service needs."""
    ahead_s: float | None = None
    """How far InfluxDB's clock is ahead of ours, by the Date header, which has whole seconds."""


class _Rule(msgspec.Struct):
    everySeconds: int = 0  # noqa: N815 - the API's name


class _ListedBucket(msgspec.Struct):
    name: str
    type: str = "user"
    retentionRules: list[_Rule] = []  # noqa: N815 - the API's name


class _Listed(msgspec.Struct):
    buckets: list[_ListedBucket] = []
    authorizations: list[msgspec.Raw] = []
    orgs: list[msgspec.Raw] = []


def inspect(settings: InfluxSettings) -> Inspected:
    """Ask for version, clock, buckets and what the token may do; a question is given up after three seconds, the whole after eight."""
    given = {field: getattr(settings, field) for field in settings.fields}
    connection = Connection(InfluxSettings(**given | {"timeout": TIMEOUT_MS}))
    out = Inspected(connection.url)
    try:
        _ask(connection, settings, out)
    except StoreUnavailable as exc:
        out.problem = str(exc)
    finally:
        connection.close()
    return out


def _ask(connection: Connection, settings: InfluxSettings, out: Inspected) -> None:
    deadline_s = time.monotonic() + TAKES_AT_MOST_S
    status, _, headers = connection.get("/ping")
    out.version = headers.get("X-Influxdb-Version", "")
    out.ahead_s = _ahead_s(headers.get("Date", ""))
    status, body, _ = connection.get(f"/api/v2/buckets?limit=100&org={quote(settings.org, safe='')}")
    if status == 401:
        out.problem = f"InfluxDB at {out.url} does not know the token (401)"
        return
    listed = _listed(body)
    kept = {
        bucket.name: sum(rule.everySeconds for rule in bucket.retentionRules) for bucket in listed.buckets
    }
    ours = Buckets(settings.bucket).all()
    out.other_buckets = sorted(kept.keys() - set(ours))
    for path in ("/api/v2/authorizations", "/api/v2/orgs"):
        _, body, _ = connection.get(path)
        found = _listed(body)
        out.is_operator |= bool(found.authorizations or found.orgs)
    for name in ours:
        if time.monotonic() > deadline_s:
            out.problem = f"InfluxDB at {out.url} answers, but slowly"
            return
        bucket = Bucket(name, kept.get(name))
        out.buckets.append(bucket)
        # No line at all: a token that may write gets 204, one that may not 403, and nothing is stored.
        answer = connection.write(name, b"")
        if answer.status != 204:
            bucket.write_refused = f"{answer.status} {answer.message}".strip()
        try:
            connection.flux(f"from(bucket: {flux_text(name)}) |> range(start: -1s) |> limit(n: 1)")
        except StoreUnavailable as exc:
            bucket.read_refused = str(exc)


def _listed(body: bytes) -> _Listed:
    try:
        return msgspec.json.decode(body, type=_Listed)
    except msgspec.MsgspecError:
        return _Listed()


def _ahead_s(date: str) -> float | None:
    try:
        # In the middle of the second that the header names.
        return parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
    except (ValueError, TypeError):
        return None
