"""A journal that fills up while InfluxDB is away: before it is full, everything says so. No InfluxDB is needed for that."""

import json
import time

import pytest
from tests.integration.conftest import MakeIngest
from tests.support.brokers import Broker
from tests.support.ports import free_port, unique
from tests.support.publishers import Client
from tests.support.services import http_get
from tests.support.waiting import wait_until

from sensorline.stores.base import Backlog
from sensorline_ingest.health import JOURNAL_ALARM, delivery_check


@pytest.mark.mosquitto
def test_from_80_percent_on_metrics_readiness_status_and_log_say_so(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    device, begin_ms = unique("filling"), int(time.time() * 1000) - 2 * 3600_000
    url = f"http://127.0.0.1:{free_port()}"
    ingest = make_ingest(
        mosquitto,
        INFLUXDB_V2_URL=url,
        INFLUXDB_V2_ORG="o",
        INFLUXDB_V2_TOKEN="t",
        STORE_JOURNAL_MAX_MB=0.03,
    )
    ingest.start()
    wait_until(lambda: ingest.checks()["broker"] == "ok", 20, "ingest to be connected")
    sent = 0

    def fullness() -> float:
        return ingest.metric("sensorline_ingest_journal_fullness")

    def all_wait() -> bool:
        return ingest.metric("sensorline_ingest_readings_undelivered") == sent

    with Client(mosquitto.port, filters=["sensorline/ingest/$status"]) as client:
        while fullness() < JOURNAL_ALARM:
            assert "journal_nearly_full" not in ingest.output()
            for _ in range(50):
                body = {"value": sent * 0.37, "ts": begin_ms + sent * 1000}
                client.send(f"sensors/{device}/m", json.dumps(body))
                sent += 1
            wait_until(all_wait, 10, "what was sent to wait in the journal")
        assert fullness() < 1, "the steps are too large for this test"
        ingest.wait_for_output("journal_nearly_full")
        status, body_ = http_get(f"{ingest.url}/readyz")
        assert status == 503
        assert f"{sent:,} readings wait, the journal is {fullness():.0%} full" in json.loads(body_)["store"]
        told = wait_until(
            lambda: [s for s in client.json_of("sensorline/ingest/$status") if s["undelivered"] == sent],
            10,
            "the status",
        )[-1]
        assert told["journal_fullness"] >= JOURNAL_ALARM
        wait_until(
            lambda: client.json_of("sensorline/ingest/$status")[-1]["undelivered_s"] > 0,
            10,
            "its age in the status",
        )
        assert ingest.metric("sensorline_ingest_readings_undelivered_seconds") > 0


def test_a_journal_that_is_nearly_full_is_told_also_while_influxdb_takes_readings() -> None:
    assert delivery_check(Backlog(readings=5_000, fullness=0.79)) == "ok"
    assert (
        delivery_check(Backlog(readings=5_000, fullness=0.8))
        == "5,000 readings wait, the journal is 80% full"
    )
