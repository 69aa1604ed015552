"""kill -9 of influxd, and of ingest, under load: nothing is lost and nothing is doubled.

As in test_ingest_kills: every reading is numbered and its value is a function of its number. The broker is not killed.
"""

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.influx import Influxd
from tests.support.influx_points import count, environment, points
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.publishers import Stream
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.influxd, pytest.mark.mosquitto]

SEED = 20261121
PER_SECOND = 1_500
DEVICES = 4


@pytest.mark.parametrize("with_ts", [True, False], ids=["own-time", "received-time"])
def test_kills_of_influxd_and_of_ingest_lose_nothing_and_double_nothing(
    mosquitto: Broker, processes: Processes, make_ingest: MakeIngest, tmp_path: Path, with_ts: bool
) -> None:
    """F8: kill -9 of influxd in the middle of writes."""
    influxd = Influxd(tmp_path / "influxd")
    processes.add(influxd)
    influxd.start()
    settings = influxd.server.make_buckets()
    devices = [unique("numbered") for _ in range(DEVICES)]
    begin_ms = int(time.time() * 1000) - 6 * 3600_000

    def reading(n: int) -> tuple[str, int, float]:
        return devices[n % DEVICES], (begin_ms + n * 250 if with_ts else 0), n + 0.25

    def message(n: int) -> tuple[str, bytes]:
        device, ts, value = reading(n)
        body = {"value": value, "ts": ts} if with_ts else {"value": value}
        return f"sensors/{device}/m", json.dumps(body).encode()

    ingest = make_ingest(mosquitto, **environment(settings)).start_ready()
    stream = Stream(mosquitto.port, message, PER_SECOND)
    rng = random.Random(SEED + with_ts)
    for i in range(8):
        time.sleep(rng.uniform(0.1, 0.7))  # The instant is what is tested: there is nothing to wait for.
        victim = ingest if i % 4 == 3 else influxd
        victim.kill()
        if i % 4 == 2:
            # Both at once: what is pending waits on disk.
            ingest.kill()
            ingest.start()
        victim.start()
    total = stream.finish()
    wait_until(
        lambda: count(settings) >= total,
        40,
        lambda: f"{total} readings; there are {count(settings)}\n{ingest.output()[-2000:]}",
        every_s=0.3,
    )
    wait_until(
        lambda: ingest.metric("sensorline_ingest_readings_unaccounted") == 0,
        5,
        lambda: (
            f"the books to balance; {ingest.metric('sensorline_ingest_readings_unaccounted')} unaccounted for"
        ),
    )
    assert ingest.stop() == 0
    expected = Counter[object]((d, "m", ts * 10**6, v) for d, ts, v in map(reading, range(total)))
    found = Counter[object]((d, m, t if with_ts else 0, v) for d, m, t, v in points(settings))
    assert stored.differences(expected, found) == "", f"seed {SEED}"
    assert count(settings) == total
