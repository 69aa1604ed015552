"""Ingest, web and the commands on a real InfluxDB, with the tokens that `sensorline influx setup` makes."""

import json
import time
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support.brokers import SharedBroker
from tests.support.drained import Drained
from tests.support.influx import Server, server
from tests.support.influx_points import environment
from tests.support.ports import free_port, unique
from tests.support.processes import SENSORLINE, Process, Processes, run_sensorline
from tests.support.publishers import Client
from tests.support.services import http_get
from tests.support.waiting import wait_until

from sensorline.errors import StoreUnavailable
from sensorline.reading import Batch, Reading, Series
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

pytestmark = pytest.mark.influxdb


def set_up(influx: Server, bucket: str, folder: Path, *options: str, **settings: object) -> str:
    """Run `sensorline influx setup`, tokens into `folder`; return what it told."""
    operator = environment(influx.settings(bucket))
    done = run_sensorline(
        "influx",
        "setup",
        *options,
        "--folder",
        str(folder),
        folder=folder.parent,
        settings=operator | settings,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


def as_(who: str, influx: Server, bucket: str, folder: Path) -> InfluxSettings:
    token = (folder / f"{who}.token").read_text().strip()
    return influx._replace(token=token).settings(bucket)


def retention_days(influx: Server, bucket: str) -> list[float]:
    """Return how long InfluxDB keeps each of a store's buckets; 0 is for ever."""
    found = [
        influx.call("GET", f"/api/v2/buckets?name={name}")["buckets"][0] for name in Buckets(bucket).all()
    ]
    return [sum(rule["everySeconds"] for rule in entry["retentionRules"]) / 86_400 for entry in found]


def test_setup_makes_buckets_and_tokens_once_and_adapts_retention(tmp_path: Path) -> None:
    influx, bucket, folder = server(), unique("setup"), tmp_path / "tokens"
    told = set_up(influx, bucket, folder)
    assert f"made the bucket {bucket}, kept 365 days" in told
    first = {path.name: path.read_text() for path in folder.iterdir()}
    assert sorted(first) == ["admin.token", "ingest.token", "web.token"]
    assert len(set(first.values())) == 3
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert set_up(influx, bucket, folder) == ""
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert "kept 730 days" in set_up(influx, bucket, folder, STORE_KEEP_RAW_DAYS=730)
    assert retention_days(influx, bucket) == [732, 1_827, 0, 0, 0]
    influx.drop_buckets(bucket)


def test_setup_lets_nothing_be_deleted_that_nobody_asked_for(tmp_path: Path) -> None:
    """A bucket that somebody else made, kept for ever, is the usual place of readings that are older than our settings."""
    influx, folder = server(), tmp_path / "tokens"
    bucket = influx.make_buckets().bucket
    told = set_up(influx, bucket, folder)
    assert f"left the bucket {bucket} as it is, kept for ever" in told
    assert "--shorten-retention" in told
    assert retention_days(influx, bucket) == [0, 0, 0, 0, 0]
    told = set_up(influx, bucket, folder, "--shorten-retention", STORE_KEEP_RAW_DAYS=30)
    assert f"the bucket {bucket} is now kept 30 days" in told
    assert retention_days(influx, bucket) == [32, 1_827, 0, 0, 0]
    influx.drop_buckets(bucket)


def test_no_token_may_do_more_than_its_service_has_to(tmp_path: Path) -> None:
    influx, bucket, folder = server(), unique("tokens"), tmp_path / "tokens"
    set_up(influx, bucket, folder)
    batch = Batch.of([Reading(Series("desk", "t"), time.time_ns(), 1.0)])
    store = StoreSettings(path=tmp_path / "web.db")
    writer = Drained(as_("web", influx, bucket, folder), store)
    with pytest.raises(StoreUnavailable, match="403"):
        writer.commit(batch)
    writer.close()
    # No other bucket, even if there is one.
    strange = influx.make_buckets().bucket
    ingest = as_("ingest", influx, strange, folder)
    other = Drained(ingest, StoreSettings(path=tmp_path / "other.db"))
    # InfluxQL does not say which right is missing; whatever the words, nothing is written there.
    with pytest.raises(StoreUnavailable, match=rf"with (403|404)|refused a query on {strange}"):
        other.commit(batch)
    other.close()
    influx.drop_buckets(strange)
    for who in ("ingest", "web"):
        settings = as_(who, influx, bucket, folder)
        done = run_sensorline("influx", "setup", folder=tmp_path, settings=environment(settings))
        assert done.returncode == 1
        assert b"setup needs the operator's token" in done.stderr
    influx.drop_buckets(bucket)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, b"INFLUXDB_V2_URL"),
        ({"INFLUXDB_V2_URL": "http://127.0.0.1:1"}, b"INFLUXDB_V2_ORG"),
        ({"INFLUXDB_V2_URL": "ftp://x"}, b"INFLUXDB_V2_URL=ftp://x"),
    ],
)
def test_setup_says_which_settings_it_lacks(tmp_path: Path, settings: dict[str, object], said: bytes) -> None:
    done = run_sensorline("influx", "setup", folder=tmp_path, settings=settings)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.broker
@pytest.mark.timeout(90)
def test_a_reading_goes_from_the_broker_to_influxdb_and_to_the_api(
    shared_broker: SharedBroker, make_ingest: MakeIngest, processes: Processes, tmp_path: Path
) -> None:
    influx, bucket, folder = server(), unique("services"), tmp_path / "tokens"
    set_up(influx, bucket, folder)
    device = unique("desk")
    ingest = make_ingest(
        shared_broker,
        **environment(as_("ingest", influx, bucket, folder)),
        INGEST_CLIENT_ID=device,
        INGEST_TOPICS=f"sensors/{device}/#",
    ).start_ready()
    port = free_port()
    web_settings = (
        environment(as_("web", influx, bucket, folder)) | shared_broker.environment | {"WEB_PORT": port}
    )
    web = Process("web", [*SENSORLINE, "web"], tmp_path, web_settings)
    processes.add(web)
    web.start()
    now_ms = int(time.time() * 1000)
    with Client(shared_broker.settings) as client:
        for i in range(20):
            body = json.dumps({"value": 20.0 + i, "ts": now_ms - (20 - i) * 1000})
            client.publish(f"sensors/{device}/temperature", body)
        client.publish(f"sensors/{device}/$meta", json.dumps({"name": "Desk"}))
        client.publish(f"sensors/{device}/temperature", "warm")

    api = f"http://127.0.0.1:{port}/api/v1"

    def readings() -> list[float] | None:
        status, text = http_get(
            f"{api}/series?device={device}&metric=temperature&from=now-1h&to=now&max_points=100"
        )
        found = json.loads(text)["series"] if status == 200 else []
        return found[0]["mean"] if found and len(found[0]["mean"]) == 20 else None

    assert wait_until(
        readings, 30, lambda: f"20 readings from the API\n{web.output()}\n{ingest.output()}"
    ) == [20.0 + i for i in range(20)]
    wait_until(lambda: '"Desk"' in http_get(f"{api}/devices")[1], 15, "the device's name from InfluxDB")
    status, text = http_get(f"{api}/export.csv?device={device}&metric=temperature&from=now-1h&to=now")
    assert (status, len(text.splitlines())) == (200, 21)
    listed = run_sensorline(
        "dead-letters",
        "list",
        folder=tmp_path,
        settings=environment(as_("ingest", influx, bucket, folder)) | {"STORE_PATH": ingest.store},
    )
    assert f"sensors/{device}/temperature".encode() in listed.stdout
    assert ingest.stop() == 0
    influx.drop_buckets(bucket)
