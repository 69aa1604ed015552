"""From `docker compose up` to a reading in the browser, and that nothing is lost: on one stack, with its real images."""

import json
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.support.processes import SENSORLINE, Process, Processes
from tests.support.stack import ROOT, SERVICES, Stack
from tests.support.waiting import wait_until
from tests.support.web import Watched

# The first use of the stack builds images.
pytestmark = [pytest.mark.compose, pytest.mark.mosquitto, pytest.mark.timeout(600)]

BEGUN_MS = time.time_ns() // 10**6 - 600_000


@pytest.fixture(scope="module")
def cafile(stack: Stack) -> Path:
    """The authority's certificate, fetched by the documented command."""
    stack.compose("cp", "mosquitto:/mosquitto/config/certs/ca.crt", str(stack.folder / "ca.crt"))
    return stack.folder / "ca.crt"


@pytest.fixture(scope="module")
def desk(stack: Stack) -> dict[str, str]:
    return stack.add_device("desk")


@pytest.fixture(scope="module")
def numbered(stack: Stack, cafile: Path) -> list[float]:
    """Numbered readings that a real node on this machine sent while every container was restarted, one after the other."""
    device = stack.add_device("counter")
    device.pop("publish")
    rows = [f"{BEGUN_MS + n * 100},number,{n}" for n in range(400)]
    (stack.folder / "numbers.csv").write_text("time,metric,value\n" + "\n".join(rows) + "\n")
    settings = {
        "NODE_SENSORS": "replay",
        "NODE_REPLAY_FILE": stack.folder / "numbers.csv",
        "NODE_REPLAY_SPEED": 2,
        "NODE_INTERVAL_S": 0.1,
        "NODE_OUTBOX_PATH": stack.folder / "counter.db",
        "MQTT_CAFILE": cafile,
    }
    node = Process("node", [*SENSORLINE, "node"], stack.folder, device | settings)
    processes = Processes()
    processes.add(node)
    try:
        node.start()
        node.wait_for_output("sensor_opened|mqtt_connected|connected", 20)
        for service in ("ingest", "mosquitto", "influxdb", "web", "sensor-node"):
            stack.compose("restart", service)
        # Without any time to end in order.
        stack.compose("restart", "--timeout", "0", "ingest", "mosquitto")
        assert node.wait(90) == 0, "the node ends when all of the file is confirmed"
    except BaseException:
        print(node.output())
        raise
    finally:
        processes.close()
    return [float(n) for n in range(len(rows))]


def test_the_first_login_is_printed_at_the_first_start_and_never_again(stack: Stack) -> None:
    stack.compose("up", "--detach")
    logs = stack.logs("init")
    assert len(re.findall("first login", logs)) == 1, logs
    again = stack.compose("run", "--rm", "-T", "--no-deps", "init", "login")
    for secret in re.findall(r"password (\S+)", again):
        assert logs.count(secret) == 1
    assert len(re.findall(r"password (\S+)", again)) == 2


def test_the_first_login_is_influxdbs(stack: Stack) -> None:
    out = stack.compose("run", "--rm", "-T", "--no-deps", "init", "login")
    password = re.search(r"InfluxDB .* password (\S+)", out)
    assert password
    ask = (
        "import base64, sys, urllib.request as r\n"
        "q = r.Request('http://influxdb:8086/api/v2/signin', b'')\n"
        "login = base64.b64encode(('admin:' + sys.stdin.read()).encode()).decode()\n"
        "q.add_header('Authorization', 'Basic ' + login)\n"
        "print(r.urlopen(q).status)\n"
    )
    assert stack.exec("web", "python", "-c", ask, stdin=password[1]).strip() == "204"


@pytest.mark.chromium
def test_readings_of_the_node_and_of_mosquitto_pub_reach_influxdb_the_api_and_the_browser(
    stack: Stack, cafile: Path, desk: dict[str, str], browser: Browser
) -> None:
    # The line that `device add` printed, in the folder with ca.crt: no other word.
    subprocess.run(shlex.split(desk["publish"]), cwd=cafile.parent, check=True, timeout=20)
    stack.wait_for(lambda: stack.values("desk", "temperature") == [21.5], 20, "the reading in the API")
    stack.wait_for(lambda: stack.values("this-machine", "memory"), 30, "the node's readings in the API")
    query = 'from(bucket:"readings") |> range(start:-1h) |> filter(fn:(r) => r.device == "desk")'
    assert "21.5" in stack.exec("influxdb", "influx", "query", query)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    watched = Watched(page, stack.url)
    page.goto(f"{stack.url}/#range=15m")
    page.wait_for_function("() => window.sensorline !== undefined")
    watched.wait_for_points("desk", "temperature", "points.some(p => p.mean === 21.5)")
    watched.wait_for_points("this-machine", "memory", "points.length > 0")
    watched.wait_for_pill("Live")
    (ROOT / "artifacts").mkdir(exist_ok=True)
    page.screenshot(path=ROOT / "artifacts" / "compose.png")
    watched.check()
    page.close()


def test_nobody_writes_without_a_password_or_in_anothers_name(
    stack: Stack, cafile: Path, desk: dict[str, str]
) -> None:
    words = shlex.split(desk["publish"])
    user = words.index("-u")
    anonymous = words[:user] + words[user + 4 :]
    refused = subprocess.run(anonymous, cwd=cafile.parent, capture_output=True, text=True, timeout=20)
    assert refused.returncode != 0
    assert "not authorised" in refused.stderr.lower()
    in_plain = stack.run(
        "docker", "compose", "exec", "-T", "mosquitto", "mosquitto_pub", "-t", "sensors/desk/t", "-m", "1", checks=False
    )  # fmt: skip
    assert in_plain.returncode != 0
    assert "not authorised" in in_plain.stderr.lower()
    # MQTT 3.1.1 confirms what the rules forbid: what counts is that it goes nowhere.
    foreign = [word.replace("sensors/desk/temperature", "sensors/stranger/t") for word in words]
    subprocess.run(foreign, cwd=cafile.parent, check=True, timeout=20)
    before = len(stack.values("desk", "temperature"))
    subprocess.run(words, cwd=cafile.parent, check=True, timeout=20)
    stack.wait_for(lambda: len(stack.values("desk", "temperature")) == before + 1, 20, "the device's own")
    assert "stranger" not in stack.devices()


def test_restarts_lose_nothing_and_double_nothing(stack: Stack, numbered: list[float]) -> None:
    stack.wait_ready()
    assert stack.values("counter", "number") == numbered
    counted = stack.exec(
        "influxdb", "influx", "query",
        'from(bucket:"readings") |> range(start:-1h) |> filter(fn:(r) => r.device == "counter") |> count()',
    )  # fmt: skip
    assert f" {len(numbered)} " in f"{counted} ".replace("\n", " ")


def test_down_and_up_keep_readings_and_passwords(stack: Stack, numbered: list[float]) -> None:
    before = stack.secrets()
    # As when the terminal of `make debug` is closed: nobody is there to remove its container.
    stack.compose("run", "--detach", "debug")
    stack.run("make", "down")
    assert stack.compose("ps", "--all", "--quiet") == ""
    stack.up()
    assert stack.values("counter", "number") == numbered
    assert stack.secrets() == before
    assert "first login" not in stack.logs("init"), "the containers are new, the login is not"


def test_a_backup_restores_the_same_readings_into_an_empty_stack(
    stack: Stack, cafile: Path, desk: dict[str, str], numbered: list[float]
) -> None:
    before, secrets = stack.values("this-machine", "memory"), stack.secrets()
    said = stack.run("make", "backup").stdout
    (archive,) = (stack.folder / "backups").iterdir()
    assert str(archive) in said
    assert archive.stat().st_mode & 0o077 == 0, "others may not read it"
    refused = stack.run("make", "restore", f"FROM={archive}", checks=False)
    assert refused.returncode != 0
    assert "a stack runs" in refused.stderr
    stack.compose("down", "--volumes")
    stack.run("make", "restore", f"FROM={archive}")
    stack.wait_ready()
    assert stack.values("counter", "number") == numbered
    assert stack.values("this-machine", "memory")[: len(before)] == before
    assert stack.secrets() == secrets
    # The same password still opens the broker, and ingest still stores.
    stored = len(stack.values("desk", "temperature"))
    subprocess.run(shlex.split(desk["publish"]), cwd=cafile.parent, check=True, timeout=20)
    stack.wait_for(lambda: len(stack.values("desk", "temperature")) == stored + 1, 20, "a new reading")
    restored_into_a_full_one = stack.run(
        "docker", "compose", "run", "--rm", "-T", "--no-deps", "init", "load", stdin="", checks=False
    )
    assert "hold data already" in restored_into_a_full_one.stderr


def test_every_service_is_healthy_and_the_check_changes_nothing(stack: Stack) -> None:
    stack.wait_for(lambda: {stack.health(s) for s in SERVICES} == {"healthy"}, 60, "all to be healthy")
    before = {s: stack.inspect(s)["Id"] for s in SERVICES}
    said = stack.run("make", "upgrade-check").stdout
    assert "eclipse-mosquitto:2.0.22, as it runs" in said
    assert re.search(r"ingest's file +schema \d+, as it is", said), said
    assert {s: stack.inspect(s)["Id"] for s in SERVICES} == before


def test_the_doctor_finds_no_problem_and_sees_everything(stack: Stack) -> None:
    out = stack.compose("run", "--rm", "-T", "admin", "doctor", "--json", checks=False)
    found = json.loads(out)["findings"]
    assert [f for f in found if f["level"] in ("problem", "unseen")] == []
    # What does not show from outside was read in the broker's own file.
    fine = {f["check"] for f in found if f["level"] == "fine"}
    assert fine >= {"in_flight_window", "queue", "session", "persistence", "client_id_theft", "packet_size"}


def test_a_removed_device_is_put_out_at_once(stack: Stack, cafile: Path) -> None:
    device = stack.add_device("short-lived")
    words = shlex.split(device["publish"])
    subprocess.run(words, cwd=cafile.parent, check=True, timeout=20)
    stack.compose("run", "--rm", "-T", "admin", "device", "remove", "short-lived")

    def is_refused() -> bool:
        return subprocess.run(words, cwd=cafile.parent, capture_output=True, timeout=20).returncode != 0

    wait_until(is_refused, 5, "the broker to have read the passwords again", every_s=0.2)
