"""Mosquitto with the very files of mosquitto/, in a folder of its own, with users and a throw-away authority."""

import os
import shutil
import subprocess
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.brokers import Broker, mosquitto_binary
from tests.support.ports import free_port
from tests.support.waiting import wait_until

from sensorline.accounts import PasswordFile, new_password

FILES = Path(__file__).parents[2] / "mosquitto"
SERVICES = ("ingest", "web", "admin")


class ProductionMosquitto(Broker):
    """A broker with mosquitto/mosquitto.conf and mosquitto/acl: only paths, addresses and ports are others.

    `users` are added with passwords, in `passwords`; with `tls` mosquitto/tls.conf is there, too, on `tls_port`.
    """

    def __init__(self, folder: Path, *users: str, tls: bool = False) -> None:
        binary = mosquitto_binary()
        assert binary is not None, "mosquitto is not installed: apt-get install mosquitto mosquitto-clients"
        (folder / "conf.d").mkdir(parents=True)
        port = free_port()
        self.tls_port = free_port()
        self.cafile = folder / "certs" / "ca.crt"
        self.passwords: dict[str, str] = {}
        text = _moved(FILES / "mosquitto.conf", folder).replace(
            "listener 1883\n", f"listener {port} 127.0.0.1\n"
        )
        # As root it would become the user mosquitto, who may not write in this folder.
        config = folder / "mosquitto.conf"
        config.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        shutil.copy(FILES / "acl", folder / "acl")
        if tls:
            make_certificates(folder / "certs")
            listener = _moved(FILES / "tls.conf", folder).replace(
                "listener 8883\n", f"listener {self.tls_port} 127.0.0.1\n"
            )
            (folder / "conf.d" / "tls.conf").write_text(listener)
        self.password_file = PasswordFile(folder)
        super().__init__("mosquitto", [binary, "-c", str(config)], folder, port)
        for user in (*SERVICES, *users):
            self.passwords[user] = new_password()
            self.password_file.set(user, self.passwords[user])

    def as_user(self, user: str) -> dict[str, object]:
        """Return the settings with which one of Sensorline's services connects as `user`."""
        return self.environment | {"MQTT_USERNAME": user, "MQTT_PASSWORD": self.passwords[user]}


def _moved(file: Path, folder: Path) -> str:
    return (
        file.read_text().replace("/mosquitto/config/", f"{folder}/").replace("/mosquitto/data/", f"{folder}/")
    )


def make_certificates(folder: Path) -> None:
    """Make a throw-away authority (ca.crt) and a certificate of its for localhost and 127.0.0.1 (server.crt, server.key)."""
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "1", "-subj", "/CN=throw-away"
    )
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "1")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", *signing)


class User:
    """A connection as one user, with every message that it gets in `received`: (topic, payload).

    `refused` says why the broker did not let it in; it is empty otherwise. Nothing reconnects by itself.
    """

    def __init__(
        self,
        port: int,
        user: str | None = None,
        password: str | None = None,
        *,
        client_id: str = "any",
        clean_session: bool = True,
        cafile: Path | None = None,
        acknowledges: bool = True,
        will: tuple[str, str] | None = None,
    ) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.session_present = False
        self.refused = ""
        self._answered = False
        self._suback = False
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            manual_ack=not acknowledges,
            reconnect_on_failure=False,
        )
        if user is not None:
            self._paho.username_pw_set(user, password)
        if cafile is not None:
            self._paho.tls_set(ca_certs=str(cafile))
        if will is not None:
            self._paho.will_set(*will, qos=1)
        self._paho.max_inflight_messages_set(1_000)
        self._paho.max_queued_messages_set(0)
        self._paho.on_connect = self._connected
        self._paho.on_subscribe = self._subscribed
        self._paho.on_message = lambda client, data, m: self.received.append((m.topic, bytes(m.payload)))
        self._paho.connect("127.0.0.1", port, keepalive=30)
        self._paho.loop_start()
        wait_until(lambda: self._answered, 10, "the broker's CONNACK")

    def _connected(
        self, client: object, data: object, flags: paho.ConnectFlags, reason: object, _: object
    ) -> None:
        failed = getattr(reason, "is_failure", True)
        self.refused = str(reason) if failed else ""
        self.session_present = flags.session_present
        self._answered = True

    def _subscribed(self, *_: object) -> None:
        self._suback = True

    @property
    def is_connected(self) -> bool:
        """True until the broker ended the connection."""
        return self._paho.is_connected()

    def subscribe(self, *filters: str) -> None:
        """Subscribe with QoS 1. The broker always says yes: what it does not deliver is not allowed."""
        self._suback = False
        self._paho.subscribe([(f, 1) for f in filters])
        wait_until(lambda: self._suback, 10, "the SUBACK")

    def send(self, topic: str, payload: str | bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        """Publish with QoS 1 without waiting."""
        return self._paho.publish(topic, payload, qos=1, retain=retain)

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the PUBACK, which the broker also gives for what it then drops."""
        self.send(topic, payload, retain=retain).wait_for_publish(10)

    def close(self, *, in_order: bool = True) -> None:
        """Disconnect; not `in_order` means that the line just breaks."""
        if in_order:
            self._paho.disconnect()
        elif (sock := self._paho.socket()) is not None:
            sock.close()
        self._paho.loop_stop()

    def __enter__(self) -> "User":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
