"""F22: connections that break while acknowledgements are under way, looked at on the wire.

500 forced reconnects, with Mosquitto: a second or two of paho's waiting before each would be ten minutes, so the links run in this
process and are told not to wait. Everything else is what ingest has: its link, its arrival queue, its reader.
"""

import random
import threading
import time
from collections import Counter
from functools import partial

import pytest
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.proxy import Proxy
from tests.support.publishers import Stream
from tests.support.waiting import wait_until

from sensorline.mqtt import MqttLink
from sensorline.settings import MqttSettings

pytestmark = pytest.mark.mosquitto

SEED = 20261123
RECONNECTS = 500
LINKS = 5
PER_SECOND = 1_500
MOST_AT_ONCE = 40


class Worker:
    """One link, and a thread that takes what arrives and acknowledges it a little later, list after list."""

    def __init__(self, proxy: Proxy, name: str, seed: int) -> None:
        self.link = MqttLink(
            MqttSettings(host="127.0.0.1", port=proxy.port),
            client_id=name,
            clean_session=False,
            subscriptions=[(f"sensors/{name}/#", 1)],
        )
        self.link._client.reconnect_delay_set(0, 0)
        self.received: Counter[bytes] = Counter()
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.link.start()
        self._thread.start()

    def _work(self) -> None:
        while not self._stopping.is_set():
            arrivals = self.link.take(0.05, MOST_AT_ONCE)
            if arrivals is None:
                continue
            # A commit: a connection may break meanwhile, and the next one begin.
            time.sleep(self._random.choice([0.0, 0.002, 0.02]))
            self.received.update(message[1] for message in arrivals.messages)
            self.link.ack(arrivals)

    def stop(self) -> None:
        """End the thread and the link."""
        self._stopping.set()
        self._thread.join()
        self.link.stop()


def test_over_500_reconnects_connect_is_first_and_pubacks_are_in_order_and_of_their_own_connection(
    mosquitto: Broker, proxy: Proxy
) -> None:
    """F22: reconnects during a storm of acknowledgements."""
    rng = random.Random(SEED)
    names = [unique("wire") for _ in range(LINKS)]
    workers = [Worker(proxy, name, SEED + i) for i, name in enumerate(names)]

    def all_subscribed() -> bool:
        return all(worker.link.is_subscribed for worker in workers)

    def more_acknowledged(than: int) -> bool:
        return proxy.acknowledged_count > than

    wait_until(all_subscribed, 10, "every link to subscribe")
    first = len(proxy.connections)
    stream = Stream(mosquitto.port, lambda n: (f"sensors/{names[n % LINKS]}/m", str(n).encode()), PER_SECOND)
    while len(proxy.connections) - first < RECONNECTS:
        acknowledged = proxy.acknowledged_count
        wait_until(partial(more_acknowledged, acknowledged), 10, "acknowledgements to flow")
        time.sleep(rng.uniform(0, 0.03))  # The instant is what is tested.
        proxy.cut()
        wait_until(all_subscribed, 10, "every link to subscribe again")
    total = stream.finish()
    expected = [{str(n).encode() for n in range(i, total, LINKS)} for i in range(LINKS)]

    def missing() -> int:
        return sum(len(e - w.received.keys()) for e, w in zip(expected, workers, strict=True))

    wait_until(lambda: missing() == 0, 20, lambda: f"{missing()} of {total} messages", every_s=0.2)
    for worker in workers:
        worker.stop()
    proxy.assert_rules_kept()
    assert sum(connection.repeated for connection in proxy.connections) > RECONNECTS, f"seed {SEED}: too calm"
    for worker, wanted in zip(workers, expected, strict=True):
        assert worker.received.keys() == wanted
