"""Backup and restore of InfluxDB and of the file beside it, by the commands of docs/operations.md."""

import json
import time
from pathlib import Path

import pytest
from tests.integration.conftest import MakeIngest
from tests.support.brokers import Broker
from tests.support.containers import start_influxdb
from tests.support.documented import run_block
from tests.support.influx import Server
from tests.support.influx_points import count, environment, points
from tests.support.ports import unique
from tests.support.processes import run_sensorline
from tests.support.publishers import Client
from tests.support.waiting import wait_until

from sensorline.stores.influxdb.settings import InfluxSettings

pytestmark = pytest.mark.docker

INFLUX = """#!/bin/sh
# The image has the command; what it writes and reads is carried out of the container and into it.
for folder; do :; done
docker exec {container} mkdir -p "$(dirname "$folder")"
[ "$1" = backup ] || docker cp "$folder" {container}:"$folder" >&2
docker exec -e INFLUX_TOKEN {container} influx "$@" >&2 || exit
[ "$1" = restore ] || docker cp {container}:"$folder" "$folder" >&2
"""


def put_influx(folder: Path, container: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "influx").write_text(INFLUX.format(container=container))
    (folder / "influx").chmod(0o755)


def test_readings_and_tokens_are_back_on_a_new_influxdb_and_ingest_goes_on(
    any_broker: Broker, make_ingest: MakeIngest, tmp_path: Path
) -> None:
    today = time.strftime("%Y-%m-%d")
    device, begin_ms = unique("numbered"), int(time.time() * 1000) - 3600_000
    first = start_influxdb("home", "first-operator", "password-of-the-tests")
    server = Server(first.address.url, "home", "first-operator")
    tokens, programs, backups = tmp_path / "tokens", tmp_path / "programs", tmp_path / "backups"
    backups.mkdir()
    done = run_sensorline(
        "influx",
        "setup",
        "--folder",
        str(tokens),
        folder=tmp_path,
        settings=environment(server.settings("r")),
    )
    assert done.returncode == 0, done.stderr.decode()
    put_influx(programs, first.container.get_container_id())
    (tmp_path / "operator.token").write_text("first-operator\n")

    store = tmp_path / "lib/sensorline.db"
    token = (tokens / "ingest.token").read_text().strip()
    influx = environment(server._replace(token=token).settings("r"))
    ingest = make_ingest(any_broker, STORE_PATH=store, **influx)
    as_web = server._replace(token=(tokens / "web.token").read_text().strip()).settings("r")

    def publish(numbers: range) -> None:
        with Client(any_broker.port) as client:
            for n in numbers:
                client.publish(
                    f"sensors/{device}/m", json.dumps({"value": n + 0.5, "ts": begin_ms + n * 1000})
                )

    def wait_for(number: int) -> None:
        wait_until(lambda: count(as_web) == number, 20, f"{number} readings in InfluxDB")

    ingest.start_ready()
    publish(range(300))
    wait_for(300)
    assert ingest.stop() == 0
    places = {"/mnt/backup": backups, "http://influx.lan:8086": server.url}
    told = run_block(
        "influx backup", places, folder=tmp_path, settings=influx | {"STORE_PATH": store}, programs=programs
    )
    assert f"to {backups}/ingest-{today}.db: 1 series" in told
    ingest.start_ready()
    publish(range(300, 350))
    wait_for(350)
    assert ingest.stop() == 0
    first.stop()

    # Another server, with a token of its own.
    second = start_influxdb("home", "second-operator", "password-of-the-tests")
    new = InfluxSettings(url=second.address.url, org=as_web.org, token=as_web.token, bucket=as_web.bucket)
    put_influx(programs, second.container.get_container_id())
    (tmp_path / "operator.token").write_text("second-operator\n")
    places = {
        "http://influx.lan:8086": new.url,
        "/mnt/backup": backups,
        "/var/lib/sensorline": store.parent,
        "2026-11-21": today,
    }
    run_block("influx restore", places, folder=tmp_path, programs=programs)
    ingest.settings["INFLUXDB_V2_URL"] = new.url
    ingest.start_ready()
    publish(range(500, 510))
    wait_until(lambda: count(new) == 310, 20, "310 readings in the new InfluxDB")
    expected = [
        (device, "m", (begin_ms + n * 1000) * 10**6, n + 0.5) for n in (*range(300), *range(500, 510))
    ]
    assert points(new) == expected
    assert ingest.stop() == 0
    second.stop()
