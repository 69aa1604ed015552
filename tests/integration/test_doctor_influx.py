"""`sensorline doctor` on a real InfluxDB: buckets, tokens, retention, and nothing written."""

from collections.abc import Iterator

import pytest
from tests.support import influx
from tests.support.influx import Server
from tests.support.ports import free_port, unique

from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.influxdb import judge
from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.inspection import inspect
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings
from sensorline.stores.influxdb.setup import set_up

pytestmark = pytest.mark.influxdb

STORE = StoreSettings(keep_raw_days=30, keep_minutes_days=60)


class Prepared:
    """Buckets and tokens as `sensorline influx setup` makes them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.settings = server.settings(unique("doctor"))
        self.tokens = set_up(self.settings, STORE).tokens

    def looked_at_as(self, who: str, store: StoreSettings = STORE) -> dict[str, Finding]:
        """Return the findings with one of the tokens."""
        token = self.tokens.get(who, who)
        given = {"url": self.server.url, "org": self.server.org, "bucket": self.settings.bucket}
        found = judge(inspect(InfluxSettings(**given, token=token)), store)  # type: ignore[arg-type]  # text becomes a SecretStr
        return {finding.check: finding for finding in found}


@pytest.fixture
def prepared() -> Iterator[Prepared]:
    server = influx.server()
    made = Prepared(server)
    yield made
    server.drop_buckets(made.settings.bucket)


def test_ingests_own_token_is_fine_and_nothing_is_written(prepared: Prepared) -> None:
    found = prepared.looked_at_as("ingest")
    assert {check: finding.level for check, finding in found.items()} == {
        "version": Level.FINE,
        "token": Level.FINE,
    }
    for name in Buckets(prepared.settings.bucket).all():
        body = {"query": f'import "influxdata/influxdb/schema" schema.measurements(bucket: "{name}")'}
        assert prepared.server.call("POST", f"/api/v2/query?org={prepared.server.org}", body) is None


def test_a_token_that_may_less_or_more_than_ingest_needs_is_named(prepared: Prepared) -> None:
    web = prepared.looked_at_as("web")
    operator = prepared.looked_at_as(prepared.server.token)
    assert web["token"].level is Level.WARNING
    assert "may read and not write" in web["token"].says
    assert operator["token_rights"].level is Level.WARNING
    assert "make tokens" in operator["token_rights"].says
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
