"""kill -9 of ingest at any instant loses nothing and doubles nothing.

Every reading is numbered and its value is a function of its number, so that what is stored can be compared with what
was published as a set (the method of Jepsen's "set" checker). Only ingest is killed here.

Both brokers that `sensorline up` starts keep the session of a client that is gone (MQTT 3.1.1, sections 3.1.2.4 and 4.4):
they deliver every QoS 1 message that they have confirmed to its publisher, and again (dup flag, same packet identifier)
what was not acknowledged before the connection ended. Mosquitto does so by itself; amqtt does so with the overrides in
`sensorline.up.amqtt_sessions`, and in memory only.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Outbox, Stream
from tests.support.services import Ingest
from tests.support.waiting import wait_until

SEED = 20261121
DEVICES = 4
PER_SECOND = 1_500
BAD_EVERY = 50


def value_of(device: str, n: int) -> float:
    """Return the value of a device's reading number n: unique for the device, and nothing like a neighbour's."""
    return n + (sum(device.encode()) % 97) / 128


class Numbered:
    """Message number n: a reading of one of a few devices, and now and then one that is none."""

    def __init__(self, *, with_ts: bool) -> None:
        self.devices = [unique("numbered") for _ in range(DEVICES)]
        self._with_ts = with_ts
        # Hours of readings in seconds of test, so that minutes and hours are rolled up while it runs.
        self._begin_ms = int(time.time() * 1000) - 6 * 3600_000

    def is_bad(self, n: int) -> bool:
        """Tell whether message n is not a reading."""
        return n % BAD_EVERY == BAD_EVERY - 1

    def message(self, n: int) -> tuple[str, bytes]:
        """Return topic and payload of message n."""
        device = self.devices[n % DEVICES]
        if self.is_bad(n):
            return f"sensors/{device}/m", f"bad {n}".encode()
        body: dict[str, object] = {"value": value_of(device, n)}
        if self._with_ts:
            body["ts"] = self.time_ms(n)
        return f"sensors/{device}/m", json.dumps(body).encode()

    def time_ms(self, n: int) -> int:
        """Return the time of reading n."""
        return self._begin_ms + n * 250

    def readings(self, total: int) -> Counter[object]:
        """Return what has to be stored of messages 0 … total - 1; without ts, the time is left out."""
        out: Counter[object] = Counter()
        for n in range(total):
            if not self.is_bad(n):
                device = self.devices[n % DEVICES]
                time_ns = self.time_ms(n) * 10**6 if self._with_ts else 0
                out[(device, time_ns, value_of(device, n))] += 1
        return out

    def found(self, store: Path) -> Counter[object]:
        """Return what is stored, in the same shape."""
        return Counter(
            (device, time_ns if self._with_ts else 0, value)
            for device, _, time_ns, value in stored.points(store)
        )

    def bad(self, total: int) -> Counter[object]:
        """Return the payloads that have to be dead letters."""
        return Counter(f"bad {n}".encode() for n in range(total) if self.is_bad(n))


def kill_at_random(ingest: Ingest, kills: int, rng: random.Random, between: Callable[[], None]) -> None:
    """Kill ingest and start it again, at instants that may fall into its start, its catching up, or calm work."""
    for _ in range(kills):
        time.sleep(rng.uniform(0.2, 0.7))  # The instant is what is tested: there is nothing to wait for.
        ingest.kill()
        between()
        ingest.start()


@pytest.mark.parametrize("with_ts", [True, False], ids=["own-time", "received-time"])
def test_kills_of_ingest_lose_nothing_and_double_nothing(
    broker: Broker, make_ingest: MakeIngest, with_ts: bool
) -> None:
    numbered = Numbered(with_ts=with_ts)
    ingest = make_ingest(broker).start_ready()
    stream = Stream(broker.port, numbered.message, PER_SECOND)
    kill_at_random(ingest, 8, random.Random(SEED + with_ts), lambda: None)
    total = stream.finish()
    expected = numbered.readings(total)
    ingest.wait_ready()
    wait_until(
        lambda: stored.count(ingest.store) >= expected.total(),
        20,
        lambda: f"{expected.total()} readings; there are {stored.count(ingest.store)}",
        every_s=0.2,
    )
    wait_until(
        lambda: ingest.metric("sensorline_ingest_rollup_windows_waiting") <= DEVICES * 2 if with_ts else True,
        10,
        "rollups to catch up",
    )
    assert ingest.stop() == 0
    assert stored.differences(expected, numbered.found(ingest.store)) == "", f"seed {SEED}"
    letters = Counter[object](letter.payload for letter in stored.dead_letters(ingest.store))
    assert stored.differences(numbered.bad(total), letters) == "", f"seed {SEED}"
    stored.assert_rollups_equal_raw(ingest.store)


def test_kills_of_ingest_cost_a_publisher_with_an_outbox_nothing_on_any_broker(
    broker: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("outbox")
    begin_ms = int(time.time() * 1000) - 3600_000

    def message(n: int) -> tuple[str, bytes]:
        body = {"value": value_of(device, n), "ts": begin_ms + n * 500, "seq": n}
        return f"sensors/{device}/m", json.dumps(body).encode()

    ingest = make_ingest(broker).start_ready()
    outbox = Outbox(broker.port, device, message)
    total = 0

    def send_some() -> None:
        nonlocal total
        for n in range(total, total + 200):
            outbox.send(n)
        total += 200

    send_some()
    kill_at_random(ingest, 3, random.Random(SEED), send_some)
    ingest.wait_ready()

    def confirmed() -> bool:
        outbox.resend()
        return outbox.waiting == 0

    wait_until(confirmed, 30, lambda: f"{outbox.waiting} readings to be confirmed", every_s=0.1)
    outbox.close()
    assert ingest.stop() == 0
    expected = Counter[object](
        (device, "m", (begin_ms + n * 500) * 10**6, value_of(device, n)) for n in range(total)
    )
    assert stored.differences(expected, Counter[object](stored.points(ingest.store))) == "", f"seed {SEED}"
    stored.assert_rollups_equal_raw(ingest.store)
