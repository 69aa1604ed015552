"""Who may do what on a Mosquitto with the files of mosquitto/: user × action × topic; and `sensorline device` beside it."""

import re
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values
from tests.support import stored
from tests.support.environment import clean_environment
from tests.support.processes import Processes, run_sensorline
from tests.support.production import ProductionMosquitto, User, make_certificates
from tests.support.services import Ingest
from tests.support.waiting import stays_true, wait_until

pytestmark = pytest.mark.mosquitto

DEVICES = ("desk", "desk2", "house/attic", "ingest-2", "blank und Größe")
TOPICS = (
    "sensors/desk/temperature",
    "sensors/desk",
    "sensors/desk/$status",
    "sensors/desk2/temperature",
    "sensors/house/attic/temperature",
    "sensors/house/temperature",
    "sensors/blank und Größe/temperature",
    "sensors/ingest/temperature",
    "sensors/web/temperature",
    "acks/desk",
    "acks/desk2",
    "acks/house/attic",
    "acks/blank und Größe",
    "acks/$confirm/token",
    "sensorline/ingest/$status",
    "sensorline/ingest/confirm/token",
    "sensorline/rejected/sensors/desk/temperature",
    "sensorline/events/desk",
    "sensorline/events/$all",
    "sensorline/canary/sensorline-ingest",
    "sensorline/doctor/token/n",
    "homeassistant/sensor/desk",
    "$SYS/broker/uptime",
    "$CONTROL/dynamic-security/v1",
)
SENSORS = {t for t in TOPICS if t.startswith("sensors/")}
ACKS = {t for t in TOPICS if t.startswith("acks/")}
STATUS, CONFIRM = "sensorline/ingest/$status", "sensorline/ingest/confirm/token"
REJECTED, CANARY = "sensorline/rejected/sensors/desk/temperature", "sensorline/canary/sensorline-ingest"
DOCTOR = "sensorline/doctor/token/n"

EVENTS = {t for t in TOPICS if t.startswith("sensorline/events/")}


def own(device: str) -> set[str]:
    return {t for t in TOPICS if t == f"sensors/{device}" or t.startswith(f"sensors/{device}/")}


WRITES = {
    "ingest": ACKS | own("ingest") | EVENTS | {STATUS, REJECTED, CANARY},
    "web": own("web") | {CANARY},
    "admin": SENSORS | {CONFIRM, CANARY, DOCTOR},
} | {device: own(device) for device in DEVICES}

READS = {
    "ingest": SENSORS | {STATUS, CONFIRM, CANARY},
    "web": SENSORS | EVENTS | {STATUS, CANARY},
    "admin": set(TOPICS) - {"$CONTROL/dynamic-security/v1", "$SYS/broker/uptime"},
} | {device: {f"acks/{device}"} & set(TOPICS) for device in DEVICES}

# Added for these tests only, because nobody may write everywhere: who writes all of TOPICS.
ROOT = "test-root"


@pytest.fixture(params=["plain", "tls"])
def listener(request: pytest.FixtureRequest) -> str:
    if request.param == "tls" and shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with: apt-get install openssl")
    return str(request.param)


@pytest.fixture
def broker(listener: str, processes: Processes, tmp_path: Path) -> ProductionMosquitto:
    broker = ProductionMosquitto(tmp_path / "broker", ROOT, *DEVICES, tls=listener == "tls")
    acl = broker.folder / "acl"
    acl.write_text(acl.read_text() + f"\nuser {ROOT}\ntopic readwrite #\n")
    processes.add(broker)
    broker.start()
    return broker


Connect = Callable[..., User]


@pytest.fixture
def connect(broker: ProductionMosquitto, listener: str) -> Connect:
    """Return `connect(user, **arguments)`: a connection to the listener under test."""

    def connect(user: str | None, password: str | None = None, **arguments: object) -> User:
        where = (broker.tls_port, broker.cafile) if listener == "tls" else (broker.port, None)
        secret = password if password is not None else broker.passwords.get(user or "")
        return User(where[0], user, secret, cafile=where[1], **arguments)  # type: ignore[arg-type]  # any of its arguments

    return connect


@pytest.mark.parametrize("user", WRITES)
def test_each_user_writes_only_where_it_may(broker: ProductionMosquitto, connect: Connect, user: str) -> None:
    with connect(ROOT) as root, connect(user) as writer:
        assert (root.refused, writer.refused) == ("", "")
        root.subscribe("#", "$SYS/#", "$CONTROL/#")
        for topic in TOPICS:
            # MQTT 3.1.1 has no way to say no: also what is refused gets its PUBACK.
            writer.publish(topic, f"from {user}")
        root.publish("the/end", "")
        wait_until(lambda: ("the/end", b"") in root.received, 10, "the end")
        arrived = {topic for topic, payload in root.received if payload == f"from {user}".encode()}
    assert arrived == WRITES[user]


@pytest.mark.parametrize("user", READS)
def test_each_user_reads_only_what_it_may(broker: ProductionMosquitto, connect: Connect, user: str) -> None:
    with connect(ROOT) as root, connect(user) as reader:
        # Retained ones before, live ones after it subscribed; by wildcards and by exact name.
        for topic in TOPICS:
            root.publish(topic, "kept", retain=True)
        reader.subscribe("#", "$SYS/#", "$CONTROL/#", *TOPICS)
        for topic in TOPICS:
            root.publish(topic, "live")
        root.publish(f"acks/{user}", "the end")
        root.publish(f"sensors/{user}/end", "the end")
        wait_until(lambda: b"the end" in [payload for _, payload in reader.received], 10, "the end")
        arrived = {topic for topic, _ in reader.received if topic in TOPICS and not topic.startswith("$SYS")}
        system = [topic for topic, _ in reader.received if topic.startswith("$SYS/")]
    assert arrived - {f"acks/{user}", f"sensors/{user}/end"} == READS[user] - {f"acks/{user}"}
    assert bool(system) == (user == "admin"), "only admin sees the broker's own figures"


def test_nobody_comes_in_without_the_right_password(broker: ProductionMosquitto, connect: Connect) -> None:
    nobody = connect(None)
    for user, password in (
        ("desk", "wrong"),
        ("desk", ""),
        ("nobody", "x"),
        ("desk2", broker.passwords["desk"]),
    ):
        assert "authori" in connect(user, password).refused.lower(), (user, password)
    assert "authori" in nobody.refused.lower()


def test_a_last_will_speaks_only_for_its_own_device(broker: ProductionMosquitto, connect: Connect) -> None:
    with connect(ROOT) as root:
        root.subscribe("sensors/#")
        for topic in ("sensors/desk2/$status", "sensors/desk/$status"):
            connect("desk", will=(topic, "offline")).close(in_order=False)
        wait_until(lambda: ("sensors/desk/$status", b"offline") in root.received, 10, "its own will")
        assert ("sensors/desk2/$status", b"offline") not in root.received


def test_with_ingests_client_id_a_device_neither_gets_nor_deletes_what_waits_for_ingest(
    broker: ProductionMosquitto, connect: Connect
) -> None:
    """F24: a second client with ingest's client id, of another user."""
    for client_id in ("ingest", "sensorline-ingest"):
        with connect("ingest", client_id="sensorline-ingest", clean_session=False) as ingest:
            ingest.subscribe("sensors/#")
        with connect("desk2") as device:
            for n in range(50):
                device.publish("sensors/desk2/m", str(n))
        for clean_session in (False, True):
            with connect("desk", client_id=client_id, clean_session=clean_session) as thief:
                assert not thief.session_present
                thief.subscribe("sensors/#")
                stays_true(lambda t=thief: not t.received, 0.3, "it gets nothing")
        with connect("ingest", client_id="sensorline-ingest", clean_session=False) as ingest:
            assert ingest.session_present
            wait_until(lambda i=ingest: len(i.received) == 50, 10, "all that waited")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here: apt-get install openssl")
def test_tls_takes_no_old_version_and_its_certificate_is_of_the_authority(
    processes: Processes, tmp_path: Path
) -> None:
    broker = ProductionMosquitto(tmp_path / "broker", "desk", tls=True)
    processes.add(broker)
    broker.start()
    make_certificates(tmp_path / "others")

    def handshake(cafile: Path, version: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cafile=cafile)
        # OpenSSL itself would refuse to speak what is older than the broker should take.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(("127.0.0.1", broker.tls_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as encrypted,
        ):
            return encrypted.version()

    assert handshake(broker.cafile, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert handshake(broker.cafile, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(ssl.SSLError):
        handshake(broker.cafile, ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path / "others" / "ca.crt", ssl.TLSVersion.TLSv1_2)


def test_an_added_device_publishes_with_the_printed_line_and_a_removed_one_is_put_out(
    broker: ProductionMosquitto, listener: str, connect: Connect, processes: Processes, tmp_path: Path
) -> None:
    name = "house/cellar"
    where = ("--folder", str(broker.folder), "--reload-pid", str(broker.pid))
    how = ("-h", "localhost", "-p", str(broker.tls_port), "--cafile", str(broker.cafile))
    if listener == "plain":
        how = ("-h", "127.0.0.1", "-p", str(broker.port))
    added = run_sensorline("device", "add", name, *where, *how, folder=tmp_path)
    assert added.returncode == 0, added.stderr.decode()
    said = added.stdout.decode()
    assert "the only time it is shown" in added.stderr.decode()
    ingest = Ingest(tmp_path, broker.as_user("ingest"))
    processes.add(ingest)
    ingest.start_ready()

    line = next(line for line in said.splitlines() if line.startswith("mosquitto_pub "))
    published = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=20, env=clean_environment()
    )
    assert (published.returncode, published.stderr) == (0, "")
    wait_until(lambda: stored.points(ingest.store), 10, "the reading of the printed line")
    assert [(d, m, v) for d, m, _, v in stored.points(ingest.store)] == [(name, "temperature", 21.5)]

    # A node with nothing but the printed .env: it plays one reading and ends when that is confirmed.
    node_folder = tmp_path / "node"
    node_folder.mkdir()
    (node_folder / ".env").write_text(said[said.index("# .env") :])
    (node_folder / "one.csv").write_text("time,metric,value\n2026-01-31T12:00:00Z,humidity,44\n")
    replay = {"NODE_REPLAY_FILE": "one.csv", "NODE_REPLAY_SPEED": "max", "NODE_REPLAY_TIMES": "now"}
    node = run_sensorline("node", "--sensors", "replay", folder=node_folder, settings=replay)
    assert node.returncode == 0, node.stderr.decode()
    assert {(d, m, v) for d, m, _, v in stored.points(ingest.store)} == {
        (name, "temperature", 21.5),
        (name, "humidity", 44.0),
    }

    password = dotenv_values(node_folder / ".env")["MQTT_PASSWORD"]
    connected = connect(name, password)
    assert connected.refused == ""
    removed = run_sensorline("device", "remove", name, *where, folder=tmp_path)
    assert (removed.returncode, removed.stdout.decode()) == (0, f"removed {name}\n"), removed.stderr.decode()
    wait_until(lambda: not connected.is_connected, 10, "the removed device's connection to end")
    assert "authori" in connect(name, password).refused.lower()
    listed = run_sensorline("device", "list", "--folder", str(broker.folder), folder=tmp_path).stdout.decode()
    assert name not in listed
    assert re.search(r"^house/attic +sensors/house/attic/#$", listed, re.MULTILINE)


def test_a_renewed_password_replaces_the_old_one_at_once_and_no_other(
    broker: ProductionMosquitto, connect: Connect, tmp_path: Path
) -> None:
    where = ("--folder", str(broker.folder), "--reload-pid", str(broker.pid))
    secret = tmp_path / "desk.password"
    again = run_sensorline("device", "add", "desk", *where, folder=tmp_path)
    assert again.returncode == 1
    assert "--renew gives it a new password" in again.stderr.decode()
    with connect("desk2") as other:
        renewed = run_sensorline(
            "device", "add", "desk", "--renew", "--password-to", str(secret), *where, folder=tmp_path
        )
        assert renewed.returncode == 0, renewed.stderr.decode()
        new = secret.read_text().strip()
        assert new not in (renewed.stdout + renewed.stderr).decode()
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        wait_until(lambda: connect("desk", new).refused == "", 10, "the new password to be let in")
        assert connect("desk", broker.passwords["desk"]).refused != ""
        assert other.is_connected


def test_mosquitto_passwd_and_we_can_change_the_same_file(
    broker: ProductionMosquitto, connect: Connect
) -> None:
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("no mosquitto_passwd here: apt-get install mosquitto")
    subprocess.run(
        ["mosquitto_passwd", "-b", str(broker.password_file.path), "theirs", "secret"], check=True, timeout=20
    )
    assert "theirs" in broker.password_file.users()
    broker.password_file.set("ours", "another")
    broker.restart()
    for user, password in (("theirs", "secret"), ("ours", "another"), ("desk", None)):
        assert connect(user, password).refused == ""
