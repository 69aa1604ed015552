"""InfluxDB: is it there, are the buckets, may the token do what ingest needs, and no more."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sensorline.doctor import clock
from sensorline.doctor.context import Context
from sensorline.doctor.findings import Finding, Level
from sensorline.settings import StoreSettings

if TYPE_CHECKING:
    from sensorline.stores.influxdb.inspection import Bucket, Inspected

DAY_S = 86_400
PERSON = "admin"
"""The user of mosquitto/acl that is no service; its token may make others."""
SETUP = "INFLUXDB_V2_TOKEN_FILE=operator.token sensorline influx setup"


def look(context: Context) -> Iterator[Finding]:
    """Yield what was found."""
    try:
        from sensorline.stores.influxdb.inspection import inspect
    except ImportError:
        yield _finding(
            Level.PROBLEM,
            "client",
            "INFLUXDB_V2_URL is set, and influxdb-client is not installed here",
            "pip install 'sensorline[influxdb]'",
        )
        return
    is_person = context.mqtt.username == PERSON
    yield from judge(inspect(context.influx), context.store, is_person=is_person)


def judge(found: "Inspected", store: StoreSettings, *, is_person: bool = False) -> Iterator[Finding]:
    """Yield what it means; `is_person`: who asks is the operator, whose token may do more than a service's."""
    if found.version:
        yield _finding(Level.FINE, "version", f"InfluxDB {found.version.removeprefix('v')} at {found.url}")
    if found.ahead_s is not None and abs(found.ahead_s) > clock.APART_S:
        yield clock.apart("InfluxDB's clock", found.ahead_s)
    if found.problem:
        yield _finding(
            Level.PROBLEM,
            "reachable",
            f"{found.problem}: readings wait in ingest's journal until it is full",
            "INFLUXDB_V2_URL, INFLUXDB_V2_TOKEN; is influxd running?",
        )
        return
    yield from _rights(found, is_person)
    yield from _retention(found.buckets, store)


def _rights(found: "Inspected", is_person: bool) -> Iterator[Finding]:
    # Without the right to read, a bucket cannot be told from one that is not there.
    missing = [b.name for b in found.buckets if b.write_refused.startswith("404")]
    if missing:
        yield _finding(
            Level.PROBLEM,
            "buckets",
            f"there is no bucket {', '.join(missing)}, or this token may not see it",
            SETUP,
        )
    unread = [b.name for b in found.buckets if b.read_refused and b.name not in missing]
    unwritten = [b for b in found.buckets if b.write_refused and b.name not in missing]
    if unread:
        yield _finding(Level.PROBLEM, "token", f"this token may not read {', '.join(unread)}", SETUP)
    if unwritten and len(unwritten) == len(found.buckets) and not unread:
        yield _finding(
            Level.WARNING,
            "token",
            "this token may read and not write: it is web's, and ingest needs its own",
            "run the doctor with ingest's settings",
        )
    elif unwritten:
        names = ", ".join(b.name for b in unwritten)
        yield _finding(
            Level.PROBLEM, "token", f"this token may not write {names} ({unwritten[0].write_refused})", SETUP
        )
    more = (["read and make tokens"] if found.is_operator else []) + (
        [f"read {', '.join(found.other_buckets[:5])}"] if found.other_buckets else []
    )
    if more:
        yield _finding(
            Level.FINE if is_person else Level.WARNING,
            "token_rights",
            f"this token may {' and '.join(more)}, which no service needs; for a person that is right",
            "" if is_person else f"{SETUP}   (prints a token that may do less for ingest)",
        )
    elif not (missing or unread or unwritten):
        yield _finding(
            Level.FINE,
            "token",
            f"this token may read and write the {len(found.buckets)} buckets, and nothing else that was looked for",
        )


def _retention(buckets: "list[Bucket]", store: StoreSettings) -> Iterator[Finding]:
    for bucket, days in zip(
        buckets[:3], (store.keep_raw_days, store.keep_minutes_days, store.keep_hours_days), strict=False
    ):
        if bucket.kept_s is None or not bucket.kept_s:
            continue
        kept_days = bucket.kept_s / DAY_S
        if not days or kept_days < days:
            wanted = f"{days:g} days" if days else "for ever"
            yield _finding(
                Level.PROBLEM,
                "retention",
                f"InfluxDB deletes what is older than {kept_days:g} days from {bucket.name}, and the settings say {wanted}",
                SETUP,
            )


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="store", check=check, says=says, fix=fix)
