"""What the broker sends again is recognised: after lost PUBACKs, cut connections, a frozen broker."""

import random
import sqlite3
import time
from collections import Counter
from functools import partial

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.proxy import Proxy
from tests.support.publishers import Client, Stream
from tests.support.services import Ingest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.mosquitto

SEED = 20261122
GOOD, BAD = 300, 20


def send_numbered(port: int, device: str) -> None:
    """Publish readings without a time, and some messages that are none, and wait until the broker has them."""
    with Client(port) as client:
        infos = [client.send(f"sensors/{device}/m", str(n + 0.5)) for n in range(GOOD)]
        infos += [client.send(f"sensors/{device}/m", f"bad {n}") for n in range(BAD)]
        for info in infos:
            info.wait_for_publish(10)


def assert_stored_once(ingest: Ingest, device: str) -> None:
    """Check that the store has each reading and each dead letter once."""
    values = Counter[object](value for name, _, _, value in stored.points(ingest.store) if name == device)
    assert stored.differences(Counter(n + 0.5 for n in range(GOOD)), values) == ""
    letters = Counter[object](letter.payload for letter in stored.dead_letters(ingest.store))
    assert stored.differences(Counter(f"bad {n}".encode() for n in range(BAD)), letters) == ""


@pytest.mark.parametrize("end", ["kill", "cut"])
def test_messages_committed_but_not_acknowledged_come_again_and_are_not_doubled(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest, end: str
) -> None:
    """F2, F3: The instant between commit and PUBACK, held open: the proxy swallows the PUBACKs, then the connection ends."""
    device = unique("twice")
    ingest = make_ingest(proxy).start_ready()
    proxy.swallow_pubacks = True
    send_numbered(mosquitto.port, device)
    wait_until(
        lambda: proxy.swallowed == GOOD + BAD, 10, lambda: f"{GOOD + BAD} PUBACKs, {proxy.swallowed} seen"
    )
    assert_stored_once(ingest, device)
    ingest.kill() if end == "kill" else proxy.cut()
    proxy.swallow_pubacks = False
    acknowledged_before = proxy.acknowledged_count
    if end == "kill":
        ingest.start()
    wait_until(
        lambda: proxy.acknowledged_count - acknowledged_before >= GOOD + BAD,
        15,
        lambda: f"PUBACKs for what came again: {proxy.acknowledged_count - acknowledged_before}",
    )
    assert sum(c.repeated for c in proxy.connections) == GOOD + BAD, "the broker sent something else again"
    wait_until(
        lambda: ingest.metric("sensorline_ingest_messages_repeated_total") == GOOD + BAD,
        5,
        "all of it to be recognised as stored before",
    )
    assert_stored_once(ingest, device)
    proxy.assert_rules_kept()


def test_a_kill_before_the_commit_loses_nothing(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest
) -> None:
    """F1: kill -9 of ingest before the commit."""
    device = unique("before")
    ingest = make_ingest(proxy).start_ready()
    other_writer = sqlite3.connect(ingest.store, isolation_level=None)
    other_writer.execute("BEGIN IMMEDIATE")
    send_numbered(mosquitto.port, device)
    wait_until(lambda: proxy.delivered_count >= GOOD + BAD, 10, "everything to reach ingest")
    ingest.kill()
    assert proxy.acknowledged_count == 0, "acknowledged before the commit"
    other_writer.execute("ROLLBACK")
    other_writer.close()
    assert stored.count(ingest.store) == 0
    ingest.start()
    wait_until(lambda: proxy.acknowledged_count >= GOOD + BAD, 15, "the PUBACKs after the restart")
    assert_stored_once(ingest, device)
    proxy.assert_rules_kept()


def held(ingest: Ingest) -> float:
    """Return how many messages ingest has read: those of the commit that it tries, and those behind it."""
    taken = ingest.metric("sensorline_ingest_messages_received_total")
    return taken + ingest.metric("sensorline_ingest_messages_waiting")


def test_a_broker_that_forgot_the_session_gets_no_acknowledgement_of_the_old_one(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest
) -> None:
    """F6: Packet identifiers begin anew with a new session: an old PUBACK would release a message that is not stored."""
    old, new = unique("old"), unique("new")
    ingest = make_ingest(proxy).start_ready()
    other_writer = sqlite3.connect(ingest.store, isolation_level=None)
    other_writer.execute("BEGIN IMMEDIATE")
    send_numbered(mosquitto.port, old)
    wait_until(lambda: proxy.delivered_count >= GOOD + BAD, 10, "everything to reach ingest")
    # What it has not read is lost with the connection, and this broker will not send it again.
    wait_until(lambda: held(ingest) == GOOD + BAD, 10, "ingest to read everything")
    mosquitto.kill()
    (mosquitto.folder / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    wait_until(lambda: ingest.checks()["broker"] == "ok", 15, "ingest to come back")
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{new}/m", "1.5")
    wait_until(lambda: proxy.connections[-1].delivered, 10, "the new message to reach ingest")
    other_writer.execute("ROLLBACK")
    other_writer.close()
    wait_until(lambda: stored.count(ingest.store) == GOOD + 1, 15, "old and new readings to be stored")
    wait_until(lambda: proxy.connections[-1].acknowledged, 5, "the new message's PUBACK")
    assert ingest.stop() == 0
    assert_stored_once(ingest, old)
    proxy.assert_rules_kept()


def test_thirty_cut_connections_under_load_break_no_rule_on_the_wire_and_lose_nothing(
    mosquitto: Broker, proxy: Proxy, make_ingest: MakeIngest
) -> None:
    """Six ingests with sessions and stores of their own share each cut, for paho waits a second or two after one."""
    rng = random.Random(SEED)
    names = [unique("cut") for _ in range(6)]
    ingests = [
        make_ingest(proxy, name, INGEST_CLIENT_ID=name, INGEST_TOPICS=f"sensors/{name}/#") for name in names
    ]
    for ingest in ingests:
        ingest.start()
    for ingest in ingests:
        ingest.wait_ready()

    def message(n: int) -> tuple[str, bytes]:
        return f"sensors/{names[n % 6]}/m", str(n + 0.5).encode()

    def acknowledged_above(wanted: int) -> bool:
        return proxy.acknowledged_count > wanted

    def connected_again(wanted: int) -> bool:
        return len(proxy.connections) >= wanted

    first = len(proxy.connections)
    stream = Stream(mosquitto.port, message, 3_000)
    cuts = 0
    while cuts < 30:
        wanted = proxy.acknowledged_count + 50
        wait_until(partial(acknowledged_above, wanted), 15, "acknowledgements to flow again")
        time.sleep(rng.uniform(0, 0.15))  # The instant is what is tested.
        before = len(proxy.connections)
        cut = proxy.cut()
        cuts += cut
        wait_until(partial(connected_again, before + cut), 15, "every ingest to connect again")
    total = stream.finish()
    expected = Counter[object]((names[n % 6], n + 0.5) for n in range(total))

    def found() -> Counter[object]:
        return Counter((name, value) for i in ingests for name, _, _, value in stored.points(i.store))

    wait_until(
        lambda: sum(stored.count(i.store) for i in ingests) >= total,
        20,
        lambda: f"{total} readings; there are {found().total()}",
        every_s=0.2,
    )
    for ingest in ingests:
        assert ingest.stop() == 0
    assert len(proxy.connections) - first >= 30 // 6
    proxy.assert_rules_kept()
    assert stored.differences(expected, found()) == "", f"seed {SEED}"


def test_a_frozen_broker_is_noticed_and_everything_is_stored_when_it_thaws(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    """F21: SIGSTOP of the broker."""
    device = unique("frozen")
    begin_ms = int(time.time() * 1000) - 600_000

    def message(n: int) -> tuple[str, bytes]:
        return f"sensors/{device}/m", f'{{"value":{n}.5,"ts":{begin_ms + n}}}'.encode()

    ingest = make_ingest(mosquitto, MQTT_KEEPALIVE_S=5).start_ready()
    pid = ingest.pid
    stream = Stream(mosquitto.port, message, 200)
    wait_until(lambda: stored.count(ingest.store) > 50, 10, "readings to flow")
    mosquitto.freeze()
    wait_until(
        lambda: ingest.checks()["broker"] != "ok", 3 * 5, "ingest to notice, within two keepalives of 5 s"
    )
    assert "mqtt_disconnected" in ingest.output()
    mosquitto.thaw()
    ingest.wait_ready()
    wait_until(lambda: stream.count > 1_000, 10, "more readings to be published")
    total = stream.finish()
    wait_until(
        lambda: stored.count(ingest.store) >= total,
        20,
        lambda: f"{total} readings, {stored.count(ingest.store)}",
    )
    assert ingest.pid == pid
    assert ingest.is_running, "the watchdog ended a healthy process"
    expected = Counter[object]((device, "m", (begin_ms + n) * 10**6, n + 0.5) for n in range(total))
    assert stored.differences(expected, Counter[object](stored.points(ingest.store))) == ""
