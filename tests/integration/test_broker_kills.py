"""kill -9 of the broker, alone and together with ingest: a publisher that waits for our confirmations loses nothing.

Mosquitto's PUBACK is not durability: what it had acknowledged and not yet passed on is gone with it. So a device that must not
lose anything sends again what is not confirmed on acks/<device>, as a sensor node does.
"""

import json
import random
import time
from collections import Counter

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Outbox
from tests.support.services import Ingest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto

SEED = 20261124
RECOVERY_S = 30.0
"""How long everything may take until it flows again."""


class Numbered:
    """A device whose readings say their number, and what the store must have of them."""

    def __init__(self) -> None:
        self.device = unique("kills")
        self.total = 0
        self._begin_ms = int(time.time() * 1000) - 3600_000

    def message(self, n: int) -> tuple[str, bytes]:
        body = {"value": n + 0.25, "ts": self._begin_ms + n * 500, "seq": n}
        return f"sensors/{self.device}/m", json.dumps(body).encode()

    def assert_stored_once(self, ingest: Ingest) -> None:
        """Check the set."""
        expected = Counter[object](
            (self.device, "m", (self._begin_ms + n * 500) * 10**6, n + 0.25) for n in range(self.total)
        )
        assert stored.differences(expected, Counter[object](stored.points(ingest.store))) == "", (
            f"seed {SEED}"
        )
        stored.assert_rollups_equal_raw(ingest.store)


def publish(numbered: Numbered, outbox: Outbox, for_s: float) -> None:
    """Publish at some hundred a second for a while: under this load somebody is killed."""
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        for _ in range(10):
            outbox.send(numbered.total)
            numbered.total += 1
        time.sleep(0.02)  # The rate.


@pytest.mark.parametrize("with_ingest", [False, True], ids=["broker", "broker-and-ingest"])
def test_kills_of_the_broker_cost_a_publisher_with_an_outbox_nothing(
    mosquitto: Broker, make_ingest: MakeIngest, with_ingest: bool
) -> None:
    """F4: kill -9 of the broker under load, ingest online. F5: of both together."""
    rng = random.Random(SEED + with_ingest)
    numbered = Numbered()
    ingest = make_ingest(mosquitto).start_ready()
    outbox = Outbox(mosquitto.port, numbered.device, numbered.message)
    for _ in range(3):
        publish(numbered, outbox, rng.uniform(0.3, 1.0))
        mosquitto.kill()
        if with_ingest:
            ingest.kill()
        publish(numbered, outbox, 0.3)
        mosquitto.start()
        if with_ingest:
            ingest.start()
        ingest.wait_ready(RECOVERY_S)
    publish(numbered, outbox, 0.3)

    def confirmed() -> bool:
        outbox.resend()
        return outbox.waiting == 0

    wait_until(confirmed, RECOVERY_S, lambda: f"{outbox.waiting} readings to be confirmed", every_s=0.1)
    outbox.close()
    assert ingest.stop() == 0
    numbered.assert_stored_once(ingest)
