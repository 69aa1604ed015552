"""InfluxDB away: readings are acknowledged all the same, people are told, and everything is delivered when it is back."""

import json
import time
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support.brokers import Broker
from tests.support.influx import Influxd
from tests.support.influx_points import count, environment
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.proxy import Proxy
from tests.support.publishers import Client
from tests.support.waiting import stays_true, wait_until

pytestmark = [pytest.mark.influxd, pytest.mark.mosquitto]


def test_readings_are_acknowledged_and_wait_while_influxdb_is_away(
    mosquitto: Broker, proxy: Proxy, processes: Processes, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    influxd = Influxd(tmp_path / "influxd")
    processes.add(influxd)
    influxd.start()
    settings = influxd.server.make_buckets()
    device, begin_ms = unique("away"), int(time.time() * 1000) - 2 * 3600_000
    ingest = make_ingest(proxy, **environment(settings)).start_ready()
    with Client(mosquitto.port, filters=[f"acks/{device}", "sensorline/ingest/$status"]) as client:

        def send(numbers: range) -> None:
            for n in numbers:
                body = {"value": n + 0.5, "ts": begin_ms + n * 1000, "seq": n}
                client.send(f"sensors/{device}/m", json.dumps(body))

        def confirmed() -> int:
            ranges = [r for ack in client.json_of(f"acks/{device}") for r in ack["stored"]]
            return len({seq for first, last in ranges for seq in range(first, last + 1)})

        send(range(10))
        wait_until(lambda: count(settings) == 10, 15, "the first readings in InfluxDB")
        influxd.kill()
        send(range(10, 2_000))
        # Late, and another value at a time already taken: nobody can say now what becomes of them.
        for n, value in ((3, 3.5), (4, 77.0)):
            client.send(f"sensors/{device}/m", json.dumps({"value": value, "ts": begin_ms + n * 1000}))
        wait_until(lambda: confirmed() == 2_000, 20, lambda: f"2,000 confirmations, {confirmed()}")
        wait_until(lambda: proxy.acknowledged_count == 2_002, 10, "every PUBACK")
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_undelivered") == 1_992,
            10,
            "the backlog in metrics",
        )
        assert ingest.metric("sensorline_ingest_readings_stored_total") == 2_000
        store = wait_until(
            lambda: ingest.checks()["store"].startswith("away for") and ingest.checks(), 10, "a word"
        )
        assert "1,992 readings wait" in store["store"]
        assert store["broker"] == "ok"
        wait_until(
            lambda: client.json_of("sensorline/ingest/$status")[-1]["undelivered"] == 1_992, 10, "the status"
        )
        # A kill meanwhile changes nothing.
        ingest.kill()
        ingest.start()
        influxd.start()
        wait_until(lambda: count(settings) == 2_001, 30, lambda: f"all in InfluxDB, {count(settings)}")
        ingest.wait_ready()
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_repeated_total") == 1, 10, "the repetition"
        )
        assert ingest.metric("sensorline_ingest_readings_shifted_total") == 1
        assert client.json_of("sensorline/ingest/$status")[-1]["stored"] == 2_001
    assert ingest.stop() == 0
    proxy.assert_rules_kept()


def test_a_full_journal_leaves_the_rest_to_the_broker(
    mosquitto: Broker, proxy: Proxy, processes: Processes, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    influxd = Influxd(tmp_path / "influxd")
    processes.add(influxd)
    influxd.start()
    settings = influxd.server.make_buckets()
    device, begin_ms, total = unique("full"), int(time.time() * 1000) - 2 * 3600_000, 4_000
    ingest = make_ingest(proxy, STORE_JOURNAL_MAX_MB=0.012, **environment(settings)).start_ready()
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{device}/m", json.dumps({"value": 0.5, "ts": begin_ms}))
        wait_until(lambda: count(settings) == 1, 15, "the first reading in InfluxDB")
        influxd.kill()
        for n in range(1, total):
            client.send(f"sensors/{device}/m", json.dumps({"value": n + 0.5, "ts": begin_ms + n * 1000}))
        wait_until(lambda: "is full" in ingest.checks()["store"], 20, "the journal to be full")
        held = proxy.acknowledged_count
        assert 0 < held < total
        stays_true(lambda: proxy.acknowledged_count == held, 1.0, "nothing more is acknowledged")
        influxd.start()
        wait_until(lambda: count(settings) == total, 30, lambda: f"{total} in InfluxDB, {count(settings)}")
        ingest.wait_ready()
    assert ingest.stop() == 0
    proxy.assert_rules_kept()
