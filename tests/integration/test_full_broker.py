"""F26: more waits for ingest than the broker keeps. It confirms and drops; whoever waits for our confirmations loses nothing."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Mosquitto
from tests.support.ports import unique
from tests.support.processes import Processes
from tests.support.publishers import Client, Outbox
from tests.support.waiting import wait_until

DROPPED = "$SYS/broker/publish/messages/dropped"
KEPT, TOTAL = 100, 1_000


@pytest.mark.mosquitto
def test_what_a_full_broker_drops_is_seen_and_sent_again(
    processes: Processes, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    limits = f"max_queued_messages {KEPT}\nmax_inflight_messages 20\nsys_interval 1"
    broker = Mosquitto(tmp_path / "broker", extra=limits)
    processes.add(broker)
    broker.start()
    device, begin_ms = unique("dropped"), int(time.time() * 1000) - 3600_000

    def message(n: int) -> tuple[str, bytes]:
        body = {"value": n + 0.5, "ts": begin_ms + n * 500, "seq": n}
        return f"sensors/{device}/m", json.dumps(body).encode()

    ingest = make_ingest(broker).start_ready()
    ingest.kill()
    outbox = Outbox(broker.port, device, message)
    with Client(broker.port, filters=[DROPPED]) as client:
        for n in range(TOTAL):
            outbox.send(n)
        # In an older Mosquitto this figure counts other things, too: so it is at least that.
        wait_until(
            lambda: max((int(p) for _, p, _ in client.received), default=0) >= TOTAL - KEPT - 20,
            10,
            lambda: f"$SYS to tell of what was dropped: {client.received[-1:]}",
        )
    ingest.start_ready()
    wait_until(lambda: stored.count(ingest.store) > 0, 10, "what the broker kept")

    def confirmed() -> bool:
        outbox.resend()
        return outbox.waiting == 0

    wait_until(confirmed, 30, lambda: f"{outbox.waiting} readings to be confirmed", every_s=0.1)
    assert outbox.resent >= TOTAL - KEPT - 20
    outbox.close()
    assert ingest.stop() == 0
    expected = Counter[object]((device, "m", (begin_ms + n * 500) * 10**6, n + 0.5) for n in range(TOTAL))
    assert stored.differences(expected, Counter[object](stored.points(ingest.store))) == ""
