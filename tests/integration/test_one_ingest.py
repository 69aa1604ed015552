"""One ingest for each store and each session; what a second one is told; what a start finds on the broker."""

import os

import pytest
from tests.integration.conftest import MakeIngest
from tests.support import stored
from tests.support.brokers import Broker
from tests.support.ports import unique
from tests.support.publishers import Client
from tests.support.waiting import wait_until

RETAINED = 50


def test_a_second_ingest_ends_with_1_and_says_who_holds_the_store_or_the_session(
    any_broker: Broker, make_ingest: MakeIngest
) -> None:
    """F25: the same store, the same session, and neither."""
    first = make_ingest(any_broker, "first").start_ready()
    with Client(any_broker.port, filters=["sensorline/ingest/$status"]) as client:
        wait_until(lambda: client.received, 10, "the first's retained status")
    same_store = make_ingest(any_broker, "same-store", STORE_PATH=first.store, INGEST_CLIENT_ID="another")
    same_session = make_ingest(any_broker, "same-session")
    neighbour = make_ingest(any_broker, "neighbour", INGEST_CLIENT_ID="neighbour")
    for process in (same_store, same_session, neighbour):
        process.start()
    assert same_store.wait(10) == 1
    assert f"the store {first.store} is held by another ingest: pid {first.pid} on" in same_store.output()
    # It waits for a heartbeat: a status that a dead broker left behind would not be renewed.
    assert same_session.wait(25) == 1
    assert (
        f"the broker session 'sensorline-ingest' is held by another ingest: pid {first.pid} on"
        f" {os.uname().nodename} since" in same_session.output()
    )
    assert "Traceback" not in same_session.output() + same_store.output()
    assert first.output().count("mqtt_disconnected") == 0, "the first one lost its session to the second"
    # A store of its own and a session of its own may work beside the first. All write sensorline/ingest/$status, so it
    # has to wait for two heartbeats, whether one of them is of its own session.
    neighbour.wait_ready(25)
    assert "waiting_for_other_ingest" in neighbour.output()
    with Client(any_broker.port) as client:
        client.publish(f"sensors/{unique('both')}/m", "1.5")
    wait_until(
        lambda: stored.count(first.store) == stored.count(neighbour.store) == 1, 10, "both to store it"
    )


def test_retained_values_without_a_time_are_no_new_readings_at_any_start(
    broker: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("retained")
    meta = (
        '{"name":"Desk","location":"Study","interval_s":10,"units":{"m0":"°C"},"names":{"m0":"Temperature"}}'
    )
    with Client(broker.port) as client:
        for n in range(RETAINED):
            client.publish(f"sensors/{device}/m{n}", f"{n}.5", retain=True)
        client.publish(f"sensors/{device}/$meta", meta, retain=True)
        client.publish(f"sensors/{device}/$status", "online", retain=True)
        ingest = make_ingest(broker)
        for restart in range(6):
            ingest.start_ready()
            wait_until(
                lambda: ingest.metric("sensorline_ingest_readings_state_total") >= RETAINED,
                10,
                "the retained values to arrive",
            )
            wait_until(lambda: device in stored.devices(ingest.store), 10, "the device's facts to arrive")
            assert stored.points(ingest.store) == [], f"after {restart} restarts"
            if restart < 5:
                ingest.kill()
        facts = stored.devices(ingest.store)[device]
        assert (facts.name, facts.location, facts.interval_s, facts.status) == (
            "Desk",
            "Study",
            10.0,
            "online",
        )
        assert (facts.units, facts.names) == ({"m0": "°C"}, {"m0": "Temperature"})
        # The same topic live, retained or not, is a reading: the flag tells only subscribers who come later.
        client.publish(f"sensors/{device}/m0", "60.5", retain=True)
        wait_until(lambda: stored.count(ingest.store) == 1, 10, "the live value to be stored")
        ingest.stop()
        ingest.start_ready()
        wait_until(
            lambda: ingest.metric("sensorline_ingest_readings_state_total") >= RETAINED,
            10,
            "the retained values again",
        )
    assert [value for *_, value in stored.points(ingest.store)] == [60.5]
    assert stored.dead_letters(ingest.store) == []
    assert ingest.stop() == 0


@pytest.mark.mosquitto
def test_a_device_that_says_offline_is_offline_and_keeps_the_time_of_its_word(
    mosquitto: Broker, make_ingest: MakeIngest
) -> None:
    device = unique("leaving")
    ingest = make_ingest(mosquitto).start_ready()
    with Client(mosquitto.port) as client:
        client.publish(f"sensors/{device}/$status", "online", retain=True)
        client.publish(f"sensors/{device}/$status", "offline", retain=True)

    def facts() -> object:
        return stored.devices(ingest.store).get(device)

    wait_until(
        lambda: getattr(facts(), "status", None) == "offline", 10, lambda: f"offline; known: {facts()}"
    )
    said = facts()
    ingest.stop()
    ingest.start_ready()
    # The retained word arrives again at the start; it did not happen again.
    wait_until(
        lambda: ingest.metric("sensorline_ingest_messages_received_total") >= 1, 10, "the retained status"
    )
    assert facts() == said
