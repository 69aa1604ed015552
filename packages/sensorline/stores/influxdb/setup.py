"""What an operator does once: buckets with their retention, and three tokens that may do no more than they have to.

Everything is looked for first and made only where it is missing, so that it may be done again at any time.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from influxdb_client import BucketRetentionRules, InfluxDBClient, Permission, PermissionResource
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from sensorline.errors import StoreUnavailable
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

MARGIN_DAYS = 2
"""InfluxDB keeps readings so much longer than readers see them: a window at the border can still be rolled up from all of
them, and a late reading is not refused."""

SHARD_DAYS = 91
HALF_DAY_SHARD_DAYS = 3_640
"""Rollups are few, and a question about years opens each shard that it touches: with InfluxDB's own seven days that takes
longer than the reading. A tenth of a shorter retention, since InfluxDB drops whole shards."""

TOKENS = ("ingest", "web", "admin")


class Made(NamedTuple):
    """The bucket names and, for each of TOKENS, its token; `told` are lines for people."""

    buckets: tuple[str, ...]
    tokens: dict[str, str]
    told: list[str]


def set_up(settings: InfluxSettings, store: StoreSettings, *, may_shorten: bool = False) -> Made:
    """Make what is missing, with `settings.token` as the operator's. Raises StoreUnavailable with InfluxDB's own words.

    A shorter retention deletes what is older, for good: without `may_shorten` a bucket that is kept longer stays so.
    """
    with InfluxDBClient(
        url=settings.url,
        token=settings.token.get_secret_value(),
        org=settings.org,
        timeout=settings.timeout,
        verify_ssl=settings.verify_ssl,
        ssl_ca_cert=str(settings.ssl_ca_cert) if settings.ssl_ca_cert else None,
    ) as client:
        try:
            return _set_up(client, settings, store, may_shorten)
        except ApiException as exc:
            raise StoreUnavailable(
                f"InfluxDB at {settings.url} refused: {exc.status} {exc.body or exc.reason}; setup needs the operator's token"
            ) from exc
        except (HTTPError, OSError) as exc:
            raise StoreUnavailable(f"InfluxDB at {settings.url} does not answer: {exc}") from exc


def _set_up(client: Any, settings: InfluxSettings, store: StoreSettings, may_shorten: bool) -> Made:
    told: list[str] = []
    org_id = _organization(client, settings.org, told)
    names = Buckets(settings.bucket)
    minutes_days = _longer(store.keep_minutes_days, store.keep_raw_days)
    hours_days = _longer(store.keep_hours_days, minutes_days)
    kept_days = {
        names.raw: (store.keep_raw_days, 0),
        names.minutes: (minutes_days, 0),
        names.hours: (hours_days, SHARD_DAYS),
        names.half_days: (hours_days, HALF_DAY_SHARD_DAYS),
        names.state: (0.0, 0),
    }
    bucket_ids = [
        _bucket(client, org_id, name, days, shard_days, may_shorten, told)
        for name, (days, shard_days) in kept_days.items()
    ]
    reading = [_permission("read", "buckets", org_id, bucket_id) for bucket_id in bucket_ids]
    writing = [_permission("write", "buckets", org_id, bucket_id) for bucket_id in bucket_ids]
    everything = [
        _permission(action, kind, org_id)
        for kind in ("buckets", "authorizations")
        for action in ("read", "write")
    ]
    # Ingest reads, too: what is stored at a late reading's time, and what rollups are made of.
    wanted = {"ingest": reading + writing, "web": reading, "admin": everything}
    tokens = {
        who: _token(client, org_id, f"sensorline {who} {settings.bucket}", permissions, told)
        for who, permissions in wanted.items()
    }
    return Made(names.all(), tokens, told)


def _organization(client: Any, name: str, told: list[str]) -> str:
    api = client.organizations_api()
    try:
        found = api.find_organizations(org=name)
    except ApiException as exc:
        if exc.status != 404:
            raise
        found = []
    if not found:
        found = [api.create_organization(name=name)]
        told.append(f"made the organization {name}")
    return str(found[0].id)


def _bucket(
    client: Any,
    org_id: str,
    name: str,
    kept_days: float,
    shard_days: int,
    may_shorten: bool,
    told: list[str],
) -> str:
    api = client.buckets_api()
    seconds = int((kept_days + MARGIN_DAYS) * 86_400) if kept_days else 0
    found = api.find_bucket_by_name(name)
    shown = f"{kept_days:g} days (and {MARGIN_DAYS} to spare)" if kept_days else "for ever"
    if kept_days:
        shard_days = min(shard_days, max(int(kept_days / 10), 1))
    rule = BucketRetentionRules(
        type="expire",
        every_seconds=seconds,
        shard_group_duration_seconds=shard_days * 86_400 or _shard_s(seconds),
    )
    if found is None:
        found = api.create_bucket(bucket_name=name, retention_rules=rule, org_id=org_id)
        told.append(f"made the bucket {name}, kept {shown}")
    elif (kept_s := sum(rule.every_seconds for rule in found.retention_rules)) == seconds:
        pass
    elif seconds and (not kept_s or kept_s > seconds) and not may_shorten:
        now = f"{kept_s / 86_400:g} days" if kept_s else "for ever"
        told.append(
            f"left the bucket {name} as it is, kept {now}: the settings say {shown}, and that would delete what is older;"
            " --shorten-retention does it, a longer STORE_KEEP_… says the same as the bucket"
        )
    else:
        # With the shards: InfluxDB refuses a retention that is shorter than they are.
        found.retention_rules = [rule]
        api.update_bucket(bucket=found)
        told.append(f"the bucket {name} is now kept {shown}")
    return str(found.id)


def _shard_s(kept_s: int) -> int:
    """Return how long shards are that InfluxDB makes by itself for a retention (docs: bucket shard group duration)."""
    if kept_s and kept_s < 2 * 86_400:
        return 3_600
    return 86_400 if kept_s and kept_s < 180 * 86_400 else 7 * 86_400


def _permission(action: str, kind: str, org_id: str, resource_id: str | None = None) -> Any:
    return Permission(action=action, resource=PermissionResource(type=kind, org_id=org_id, id=resource_id))


def _token(client: Any, org_id: str, description: str, permissions: list[Any], told: list[str]) -> str:
    api = client.authorizations_api()
    wanted = {(p.action, p.resource.type, p.resource.id) for p in permissions}
    for found in api.find_authorizations(org_id=org_id):
        if found.description != description:
            continue
        has = {(p.action, p.resource.type, p.resource.id) for p in found.permissions}
        # A server that keeps only hashes does not tell a token again.
        if has == wanted and found.token and found.status == "active":
            return str(found.token)
        api.delete_authorization(found)
        told.append(f"withdrew the token {description!r}")
    made = api.create_authorization(org_id=org_id, permissions=permissions)
    made.description = description
    api.update_authorization(made)
    told.append(f"made the token {description!r}")
    return str(made.token)


def write_tokens(folder: Path, tokens: dict[str, str], say: Callable[[str], None]) -> None:
    """Write each token to `<folder>/<who>.token`, readable by the owner only. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for who, token in tokens.items():
        path = folder / f"{who}.token"
        if path.exists() and path.read_text().strip() == token:
            continue
        # Written beside and moved there: a reader finds the old one or the new one, and never one that all may read.
        beside = path.with_name(path.name + ".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(token + "\n")
        beside.replace(path)
        say(f"wrote {path}")


def _longer(days: float, finer_days: float) -> float:
    return 0 if 0 in (days, finer_days) else max(days, finer_days)
