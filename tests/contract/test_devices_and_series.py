"""What the store knows of devices and series."""

from typing import Any

from sensorline.reading import Batch, DeviceFacts, Reading, Series, Status


def test_an_empty_store_knows_nothing(store: Any) -> None:
    assert store.reader.latest() == []
    assert store.reader.devices() == []


def test_latest_is_the_newest_by_time_not_by_arrival(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((10, 10.0), (30, 30.0), (20, 20.0)))
    store.writer.commit(batch.readings((5, 5.0), (30, 30.0)))
    for _ in range(2):
        (latest,) = store.reader.latest()
        assert (latest.series, latest.time_ns, latest.value) == (batch.desk, batch.t0_ns + 30, 30.0)
        store.reopen()


def test_latest_follows_a_reading_that_was_shifted(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((0, 1.0)))
    store.writer.commit(batch.readings((0, 2.0)))
    (latest,) = store.reader.latest()
    assert (latest.time_ns, latest.value) == (batch.t0_ns + 1, 2.0)


def test_series_come_ordered_with_their_units_and_names(store: Any, batch: Any) -> None:
    for device, metric in (("b", "x"), ("a", "y"), ("a", "x"), ("B", "é")):
        store.writer.commit(batch.readings((0, 1.0), series=Series(device, metric)))
    store.writer.commit(batch.facts(DeviceFacts("a", units={"x": "°C"}, names={"y": "Why"})))
    found = store.reader.latest()
    assert [i.series for i in found] == [("B", "é"), ("a", "x"), ("a", "y"), ("b", "x")]
    assert [(i.unit, i.name) for i in found] == [(None, None), ("°C", None), (None, "Why"), (None, None)]


def test_a_device_is_known_by_its_readings_or_by_its_facts(store: Any, batch: Any) -> None:
    store.writer.commit(batch.readings((7, 1.0)))
    store.writer.commit(batch.facts(DeviceFacts("silent", name="Silent one")))
    assert [(d.facts, d.last_seen_ns) for d in store.reader.devices()] == [
        (DeviceFacts("desk"), batch.t0_ns + 7),
        (DeviceFacts("silent", name="Silent one"), None),
    ]


def test_a_device_with_facts_is_seen_when_its_readings_come(store: Any, batch: Any) -> None:
    store.writer.commit(batch.facts(DeviceFacts("desk", name="Desk")))
    reading = Reading(batch.desk, batch.t0_ns, 1.0)
    store.writer.commit(Batch.of([reading], facts=[DeviceFacts("desk", location="Office")]))
    store.writer.commit(batch.readings((-50, 2.0)))
    (device,) = store.reader.devices()
    assert device.facts == DeviceFacts("desk", name="Desk", location="Office")
    assert device.last_seen_ns == batch.t0_ns


def test_facts_add_up_over_batches_and_restarts(store: Any, batch: Any) -> None:
    steps = [
        DeviceFacts("desk", name="Desk", units={"t": "°C"}),
        DeviceFacts("desk", status=Status.ONLINE, status_at_ns=100),
        DeviceFacts("desk", status=Status.ONLINE, status_at_ns=200, location="Office"),
        DeviceFacts("desk", units={"h": "%", "t": "K"}, names={"t": "Heat"}, interval_s=2.5),
        DeviceFacts("desk", simulated=False),
    ]
    for facts in steps:
        store.writer.commit(batch.facts(facts))
        store.reopen()
    (device,) = store.reader.devices()
    assert device.facts == DeviceFacts(
        "desk",
        status=Status.ONLINE,
        status_at_ns=100,
        name="Desk",
        location="Office",
        interval_s=2.5,
        simulated=False,
        units={"t": "K", "h": "%"},
        names={"t": "Heat"},
    )


def test_several_facts_of_one_device_in_one_batch_all_count(store: Any, batch: Any) -> None:
    store.writer.commit(
        batch.facts(
            DeviceFacts("desk", status=Status.ONLINE, status_at_ns=1),
            DeviceFacts("desk", status=Status.OFFLINE, status_at_ns=2),
            DeviceFacts("desk", name="Desk"),
        )
    )
    (device,) = store.reader.devices()
    assert device.facts == DeviceFacts("desk", status=Status.OFFLINE, status_at_ns=2, name="Desk")


def test_names_are_kept_apart_to_the_letter(store: Any, batch: Any) -> None:
    names = [
        "a",
        "A",
        "ä",
        "a ",
        "a'; DROP TABLE series; --",
        'a"b',
        "__proto__",
        "<b>",
        "../a",
        "日本",
        "a\\",
    ]
    for i, name in enumerate(names):
        store.writer.commit(batch.readings((0, float(i)), series=Series(name, name)))
    store.reopen()
    assert {i.series.device: i.value for i in store.reader.latest()} == {
        n: float(i) for i, n in enumerate(names)
    }
    for i, name in enumerate(names):
        columns = store.reader.query(Series(name, name), batch.t0_ns, batch.t0_ns + 1, 10)
        assert columns.mean == [float(i)]
