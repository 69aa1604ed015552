"""A real InfluxDB that hangs, forgets a token or a bucket, or whose answers get lost: held, told, and delivered once."""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.influx import Influxd
from tests.support.influx_points import count, environment, points
from tests.support.lossy import LossyProxy
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import wait_until

from sensorline.stores.influxdb.reader import InfluxReader
from sensorline.stores.influxdb.settings import Buckets, InfluxSettings

pytestmark = [pytest.mark.influxd, pytest.mark.mosquitto]


@pytest.fixture
def influxd(processes: Processes, tmp_path: Path) -> Influxd:
    """An influxd of the test's own."""
    made = Influxd(tmp_path / "influxd")
    processes.add(made)
    made.start()
    return made


class Device:
    """Numbered readings with times of their own."""

    def __init__(self, broker: Broker) -> None:
        self.client = Client(broker.port)
        self.name = unique("fault")
        self.total = 0
        self._begin_ms = int(time.time() * 1000) - 2 * 3600_000

    def send(self, readings: int) -> None:
        """Publish the next ones."""
        for n in range(self.total, self.total + readings):
            body = {"value": n + 0.5, "ts": self._begin_ms + n * 100}
            self.client.send(f"sensors/{self.name}/m", json.dumps(body))
        self.total += readings

    def assert_stored_once(self, settings: InfluxSettings, first: int = 0) -> None:
        """Check the set, and what the rollups count."""
        expected = Counter[object](
            (self.name, "m", (self._begin_ms + n * 100) * 10**6, n + 0.5) for n in range(first, self.total)
        )
        assert stored.differences(expected, Counter[object](points(settings))) == ""
        assert count(settings) == self.total - first


@pytest.fixture
def device(mosquitto: Broker) -> Iterator[Device]:
    """A device that is connected."""
    made = Device(mosquitto)
    yield made
    made.client.close()


def assert_held(ingest: Ingest, says: str, readings: int) -> None:
    """Check that ingest says what is wrong, and how many readings wait, in readiness, metrics and log."""
    wait_until(lambda: says in ingest.checks()["store"], 20, lambda: f"{says!r}: {ingest.checks()}")
    wait_until(
        lambda: ingest.metric("sensorline_ingest_readings_undelivered") == readings,
        10,
        lambda: f"{readings} to wait, {ingest.metric('sensorline_ingest_readings_undelivered')} do",
    )
    assert "store_away" in ingest.output()


def assert_delivered(ingest: Ingest, settings: InfluxSettings, readings: int) -> None:
    wait_until(lambda: count(settings) >= readings, 30, lambda: f"{readings}; there are {count(settings)}")
    ingest.wait_ready()
    # InfluxDB has them before ingest has read its answer.
    wait_until(
        lambda: ingest.metric("sensorline_ingest_readings_undelivered") == 0,
        10,
        "ingest to know that all is delivered",
    )


def test_a_frozen_influxd_gets_the_same_again_and_keeps_it_once(
    mosquitto: Broker, make_ingest: MakeIngest, influxd: Influxd, device: Device
) -> None:
    """F9: SIGSTOP for longer than a request may take, then SIGCONT: it carries out what it had received, too."""
    settings = influxd.server.make_buckets()
    ingest = make_ingest(mosquitto, INFLUXDB_V2_TIMEOUT=1_000, **environment(settings)).start_ready()
    device.send(100)
    wait_until(lambda: count(settings) == 100, 15, "the first readings")
    influxd.send(signal.SIGSTOP)
    device.send(2_000)
    assert_held(ingest, "does not answer", 2_000)
    influxd.send(signal.SIGCONT)
    assert_delivered(ingest, settings, device.total)
    assert ingest.stop() == 0
    device.assert_stored_once(settings)


def test_lost_answers_after_the_commit_store_nothing_twice(
    mosquitto: Broker, make_ingest: MakeIngest, influxd: Influxd, device: Device
) -> None:
    """F14: the request was carried out, the connection ends before the answer."""
    settings = influxd.server.make_buckets()
    proxy = LossyProxy(influxd.port)
    through = environment(settings) | {"INFLUXDB_V2_URL": proxy.url}
    ingest = make_ingest(mosquitto, **through).start_ready()
    device.send(100)
    wait_until(lambda: count(settings) == 100, 15, "the first readings")
    lost = 0

    def more_are_lost() -> bool:
        return proxy.lost > lost + 1

    for _ in range(3):
        proxy.loses_answers = True
        lost = proxy.lost
        device.send(500)
        wait_until(more_are_lost, 20, "answers to be lost")
        proxy.loses_answers = False
        assert_delivered(ingest, settings, device.total)
    assert ingest.stop() == 0
    proxy.close()
    device.assert_stored_once(settings)


@pytest.mark.parametrize("is_deleted", [False, True], ids=["inactive", "deleted"])
def test_a_revoked_token_is_held_and_told_and_all_goes_on_when_there_is_a_valid_one(
    mosquitto: Broker, make_ingest: MakeIngest, influxd: Influxd, device: Device, is_deleted: bool
) -> None:
    """F11: 403 while it is inactive, 401 when it is gone: then ingest is started with another one."""
    settings = influxd.server.make_buckets()
    call = influxd.server.call
    (org,) = call("GET", f"/api/v2/orgs?org={influxd.server.org}")["orgs"]
    resource = {"type": "buckets", "orgID": org["id"]}
    rights = [{"action": action, "resource": resource} for action in ("read", "write")]
    token = call("POST", "/api/v2/authorizations", {"orgID": org["id"], "permissions": rights})
    path = f"/api/v2/authorizations/{token['id']}"
    given = environment(settings) | {"INFLUXDB_V2_TOKEN": token["token"]}
    ingest = make_ingest(mosquitto, **given).start_ready()
    device.send(100)
    wait_until(lambda: count(settings) == 100, 15, "the first readings")
    call("DELETE", path) if is_deleted else call("PATCH", path, {"status": "inactive"})
    device.send(400)
    assert_held(ingest, "check INFLUXDB_V2_TOKEN" if is_deleted else "the token may not", 400)
    assert token["token"] not in ingest.output(all_lives=True)
    if is_deleted:
        assert ingest.stop() == 0
        ingest.settings |= environment(settings)
        ingest.start()
    else:
        call("PATCH", path, {"status": "active"})
    assert_delivered(ingest, settings, device.total)
    assert ingest.stop() == 0
    device.assert_stored_once(settings)


def test_a_deleted_bucket_is_held_and_told_and_all_goes_on_when_it_is_there_again(
    mosquitto: Broker, make_ingest: MakeIngest, influxd: Influxd, device: Device
) -> None:
    """F12: 404. What was in the bucket is gone with it; what was on its way is not."""
    settings = influxd.server.make_buckets()
    ingest = make_ingest(mosquitto, **environment(settings)).start_ready()
    device.send(100)
    wait_until(lambda: count(settings) == 100, 15, "the first readings")
    influxd.server.drop_buckets(settings.bucket)
    device.send(400)
    assert_held(ingest, "404", 400)
    assert "INFLUXDB_V2_BUCKET" in ingest.checks()["store"]
    (org,) = influxd.server.call("GET", f"/api/v2/orgs?org={influxd.server.org}")["orgs"]
    for bucket in Buckets(settings.bucket).all():
        influxd.server.call(
            "POST", "/api/v2/buckets", {"orgID": org["id"], "name": bucket, "retentionRules": []}
        )
    assert_delivered(ingest, settings, 400)
    assert ingest.stop() == 0
    device.assert_stored_once(settings, first=100)


def test_after_an_outage_at_full_rate_everything_is_there_and_the_newest_soon(
    mosquitto: Broker, make_ingest: MakeIngest, influxd: Influxd, device: Device
) -> None:
    """F10: away while readings come at some thousand a second. Live readings need no InfluxDB at all: they come from the broker."""
    settings = influxd.server.make_buckets()
    ingest = make_ingest(mosquitto, **environment(settings)).start_ready()
    device.send(100)
    wait_until(lambda: count(settings) == 100, 15, "the first readings")
    influxd.kill()
    device.send(20_000)
    assert_held(ingest, "does not answer", 20_000)
    influxd.start()
    reader = InfluxReader(settings)

    def newest() -> float:
        return max(info.value for info in reader.latest())

    wait_until(lambda: newest() == device.total - 0.5, 10, lambda: f"the newest value; it is {newest()}")
    reader.close()
    assert_delivered(ingest, settings, device.total)
    assert ingest.stop() == 0
    device.assert_stored_once(settings)
