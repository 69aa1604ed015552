"""A store that cannot be written: nothing is acknowledged, everybody is told, and nothing is lost when it is mended."""

import json
import resource
import time
from collections import Counter

import psutil
import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import IN_FLIGHT, Broker
from tests.support.ports import free_port, unique
from tests.support.proxy import Proxy
from tests.support.publishers import Client
from tests.support.services import Ingest
from tests.support.waiting import stays_true, wait_until

from sensorline.settings import StoreSettings
from sensorline.stores.influxdb.settings import InfluxSettings
from sensorline.stores.opening import open_dead_letters

pytestmark = pytest.mark.mosquitto

MESSAGES = 15_000
"""More than the broker's in-flight window."""
MEMORY_GROWTH_MIB = 30
"""Ten thousand messages of 60 bytes are 4 MiB as Python objects; the rest is the allocator's."""


def forbid_writing(ingest: Ingest) -> int:
    """Let every write to a file fail, as on a full disk, and return the limit that was in force.

    A process's RLIMIT_FSIZE can be set from outside (prlimit(2)); Python ignores SIGXFSZ, so that writes fail with EFBIG.
    """
    soft, hard = resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE, (1, hard))
    return soft


def allow_writing(ingest: Ingest, limit: int) -> None:
    """Mend what forbid_writing() did."""
    hard = resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(ingest.pid, resource.RLIMIT_FSIZE, (limit, hard))


def test_a_full_disk_stops_acknowledgements_and_loses_nothing(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest
) -> None:
    """F30: more messages than the in-flight window has room for, while nothing can be stored."""
    device = unique("full")
    begin_ms = int(time.time() * 1000) - 60_000
    ingest = make_ingest(proxy).start_ready()
    pid = ingest.pid
    with Client(mosquitto.port, filters=[f"acks/{device}", "sensorline/ingest/$status"]) as client:

        def send(numbers: range) -> None:
            infos = [
                client.send(
                    f"sensors/{device}/m", json.dumps({"value": n + 0.5, "ts": begin_ms + n, "seq": n})
                )
                for n in numbers
            ]
            for info in infos:
                info.wait_for_publish(20)

        def confirmed() -> set[int]:
            ranges = [r for ack in client.json_of(f"acks/{device}") for r in ack["stored"]]
            return {seq for first, last in ranges for seq in range(first, last + 1)}

        def states() -> list[str]:
            return [status["state"] for status in client.json_of("sensorline/ingest/$status")]

        send(range(10))
        wait_until(lambda: confirmed() == set(range(10)), 10, "the first readings to be confirmed")
        wait_until(lambda: proxy.acknowledged_count == 10, 5, "their PUBACKs")
        memory = psutil.Process(pid)
        memory_before = memory.memory_info().rss
        limit = forbid_writing(ingest)
        send(range(10, MESSAGES))
        wait_until(lambda: "store_unavailable" in states(), 10, "the status to say store_unavailable")
        wait_until(lambda: proxy.delivered_count == 10 + IN_FLIGHT, 10, "the in-flight window to fill")
        checks = ingest.checks()
        assert checks["broker"] == "ok"
        assert "cannot write" in checks["store"], checks
        # The broker sends its whole window again on a new connection: it must not be held twice.
        proxy.cut()
        wait_until(lambda: proxy.delivered_count == 10 + 2 * IN_FLIGHT, 15, "the window to come again")
        stays_true(
            lambda: proxy.acknowledged_count == 10, 1.0, "nothing is acknowledged while nothing is stored"
        )
        grown_mib = (memory.memory_info().rss - memory_before) / 2**20
        assert grown_mib < MEMORY_GROWTH_MIB, (
            f"ingest has grown by {grown_mib:.0f} MiB while it could not write"
        )
        assert confirmed() == set(range(10)), "confirmed before the commit"
        assert stored.count(ingest.store) == 10

        allow_writing(ingest, limit)
        wait_until(lambda: len(confirmed()) == MESSAGES, 20, lambda: f"{MESSAGES} acks, {len(confirmed())}")
        wait_until(lambda: states()[-1] == "running", 10, "the status to say running again")
    # What came again while it still waited was recognised at once, and not held a second time.
    assert ingest.metric("sensorline_ingest_messages_received_total") == MESSAGES
    assert ingest.checks() == {"broker": "ok", "store": "ok"}
    assert ingest.pid == pid
    assert ingest.is_running
    assert ingest.stop() == 0
    proxy.assert_rules_kept()
    expected = Counter[object]((device, "m", (begin_ms + n) * 10**6, n + 0.5) for n in range(MESSAGES))
    assert stored.differences(expected, Counter[object](stored.points(ingest.store))) == ""
    assert ingest.output().count("store_unavailable") <= 3, (
        "one line for one trouble, not one for each attempt"
    )


def test_a_kill_while_the_disk_is_full_loses_nothing(mosquitto: Broker, make_ingest: MakeIngest) -> None:
    device = unique("full")
    ingest = make_ingest(mosquitto).start_ready()
    forbid_writing(ingest)
    with Client(mosquitto.port) as client:
        for n in range(100):
            client.send(f"sensors/{device}/m", str(n + 0.5))
        client.publish(f"sensors/{device}/m", "100.5")
    wait_until(lambda: ingest.checks()["store"] != "ok", 10, "ingest to see that it cannot write")
    ingest.kill()
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == 101, 10, "what waited to be stored")
    assert {value for *_, value in stored.points(ingest.store)} == {n + 0.5 for n in range(101)}


def test_a_stop_while_the_disk_is_full_is_prompt_and_loses_nothing(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("full")
    ingest = make_ingest(mosquitto).start_ready()
    forbid_writing(ingest)
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{device}/m", "1.5")
    wait_until(lambda: ingest.checks()["store"] != "ok", 10, "ingest to see that it cannot write")
    begun_s = time.monotonic()
    assert ingest.stop() == 0
    assert time.monotonic() - begun_s < 5
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) == 1, 10, "what waited to be stored")


@pytest.mark.parametrize("kind", ["sqlite", "influxdb"])
def test_a_dead_letter_that_cannot_be_kept_is_not_acknowledged(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest, kind: str
) -> None:
    """F32: a message that is no reading, and no room to say so. Nothing is acknowledged, and everybody is told."""
    topic, port = f"sensors/{unique('bad')}/m", free_port()
    # With InfluxDB they are in ingest's local file: nobody has to listen there.
    influx = {"INFLUXDB_V2_URL": f"http://127.0.0.1:{port}", "INFLUXDB_V2_ORG": "o", "INFLUXDB_V2_TOKEN": "t"}
    settings = (
        InfluxSettings(url=f"http://127.0.0.1:{port}", org="o", token="t") if kind == "influxdb" else None
    )  # type: ignore[arg-type]
    ingest = make_ingest(proxy, **(influx if settings else {}))
    ingest.start()
    wait_until(lambda: ingest.checks()["broker"] == "ok", 20, "ingest to be connected")

    def letters() -> list[bytes]:
        kept = open_dead_letters(StoreSettings(path=ingest.store), settings or InfluxSettings())
        return [letter.payload for letter in kept.list(100)]

    filters = [f"sensorline/rejected/{topic}", "sensorline/ingest/$status"]
    with Client(mosquitto.port, filters=filters) as client:

        def announced() -> int:
            return len(client.json_of(filters[0]))

        limit = forbid_writing(ingest)
        client.publish(topic, "no number")
        wait_until(
            lambda: ingest.metric("sensorline_ingest_commit_failures_total") > 1,
            10,
            "failures in the metrics",
        )
        assert "cannot write" in ingest.checks()["store"], ingest.checks()
        wait_until(
            lambda: client.json_of(filters[1])[-1]["state"] == "store_unavailable", 10, "a word in the status"
        )
        stays_true(lambda: proxy.acknowledged_count == 0, 1.0, "nothing is acknowledged")
        assert (letters(), announced()) == ([], 0)
        allow_writing(ingest, limit)
        wait_until(lambda: proxy.acknowledged_count == 1, 15, "the PUBACK, by itself")
        wait_until(lambda: client.json_of(filters[1])[-1]["state"] == "running", 10, "the status")
        assert letters() == [b"no number"]
        wait_until(lambda: announced() == 1, 5, "the announcement")
    assert ingest.metric("sensorline_ingest_messages_rejected_total") == 1
    proxy.assert_rules_kept()
