"""`sensorline doctor` on a real InfluxDB: buckets, tokens, retention, and nothing written."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import influx
from tests.support.influx import Server
from tests.support.ports import free_port, unique
from tests.support.processes import run_sensorline

from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.influxdb import judge
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.connection import Connection
from sensorline.stores.influxdb.inspection import inspect
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

pytestmark = pytest.mark.influxdb

STORE = StoreSettings(keep_raw_days=30, keep_minutes_days=60)


class Prepared:
    """Buckets and tokens as `sensorline influx setup` makes them."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.settings = server.settings(unique("doctor"))
        settings = {
            "INFLUXDB_V2_URL": server.url,
            "INFLUXDB_V2_ORG": server.org,
            "INFLUXDB_V2_TOKEN": server.token,
            "INFLUXDB_V2_BUCKET": self.settings.bucket,
            "STORE_KEEP_RAW_DAYS": STORE.keep_raw_days,
            "STORE_KEEP_MINUTES_DAYS": STORE.keep_minutes_days,
        }
        done = run_sensorline("influx", "setup", "--folder", "tokens", folder=folder, settings=settings)
        assert done.returncode == 0, done.stderr.decode()
        self.tokens = {file.stem: file.read_text().strip() for file in (folder / "tokens").iterdir()}

    def looked_at_as(self, who: str, store: StoreSettings = STORE) -> dict[str, Finding]:
        """Return the findings with one of the tokens."""
        token = self.tokens.get(who, who)
        given = {"url": self.server.url, "org": self.server.org, "bucket": self.settings.bucket}
        found = judge(inspect(InfluxSettings(**given, token=token)), store)  # type: ignore[arg-type]  # text becomes a SecretStr
        return {finding.check: finding for finding in found}


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    server = influx.server()
    made = Prepared(server, tmp_path)
    yield made
    server.drop_buckets(made.settings.bucket)


def test_ingests_own_token_is_fine_and_nothing_is_written(prepared: Prepared) -> None:
    found = prepared.looked_at_as("ingest")
    assert {check: finding.level for check, finding in found.items()} == {
        "version": Level.FINE,
        "token": Level.FINE,
    }
    connection = Connection(prepared.settings)

    def held(bucket: str) -> list[list[str]]:
        return connection.flux(f'from(bucket: "{bucket}") |> range(start: 0) |> limit(n: 1)')

    assert [held(name) for name in Buckets(prepared.settings.bucket).all()] == [[]] * 5
    connection.write(prepared.settings.bucket, b"m,device=d value=1")
    assert held(prepared.settings.bucket), "what is written shows"
    connection.close()


def test_a_token_that_may_less_or_more_than_ingest_needs_is_named(prepared: Prepared) -> None:
    web = prepared.looked_at_as("web")
    operator = prepared.looked_at_as(prepared.server.token)
    assert web["token"].level is Level.WARNING
    assert "may read and not write" in web["token"].says
    assert operator["token_rights"].level is Level.WARNING
    assert "make tokens" in operator["token_rights"].says
    person = judge(inspect(prepared.server.settings(prepared.settings.bucket)), STORE, is_person=True)
    assert {finding.level for finding in person} == {Level.FINE}
    assert not [f for f in operator.values() if prepared.server.token in f.says + f.fix]


def test_a_token_that_is_not_known_and_a_server_that_is_not_there_are_problems(prepared: Prepared) -> None:
    unknown = prepared.looked_at_as("no-such-token")["reachable"]
    nobody = InfluxSettings(url=f"http://127.0.0.1:{free_port()}", org="o", token="t")  # type: ignore[arg-type]  # as above
    gone = [finding for finding in judge(inspect(nobody), STORE) if finding.check == "reachable"]
    assert unknown.level is gone[0].level is Level.PROBLEM
    assert "does not know the token (401)" in unknown.says
    assert "no-such-token" not in unknown.says


def test_a_bucket_that_is_missing_and_a_retention_that_is_shorter_than_the_settings_are_problems(
    prepared: Prepared,
) -> None:
    longer = prepared.looked_at_as("ingest", StoreSettings(keep_raw_days=90, keep_minutes_days=90))
    assert longer["retention"].level is Level.PROBLEM
    name = Buckets(prepared.settings.bucket).hours
    (bucket,) = prepared.server.call("GET", f"/api/v2/buckets?name={name}")["buckets"]
    prepared.server.call("DELETE", f"/api/v2/buckets/{bucket['id']}")
    missing = prepared.looked_at_as("ingest")["buckets"]
    assert missing.level is Level.PROBLEM
    assert f"there is no bucket {name}" in missing.says
