"""From settings to services: what `sensorline up` starts, on which ports, with which environment."""

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensorline.settings import MqttSettings
from sensorline.up import broker
from sensorline.up.ports import next_free_port, reachable
from sensorline.up.services import Check, Service

# Together with the broker's share they stay below the 10 s in which everything has to be stopped.
_NODE_STOP_S = 2.0
_WEB_STOP_S = 2.0
_INGEST_STOP_S = 4.0

# What is published before ingest has ever subscribed, a broker throws away: the node would notice half a minute later.
# With a store that is away the node begins all the same; its outbox keeps what it measures.
_BEFORE_NODE_S = 5.0

_MODEL = Path("/proc/device-tree/model")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings ask for; None stands for what the user left open."""

    folder: Path
    broker_kind: str
    mqtt: MqttSettings
    web_host: str
    web_port: int
    ingest_host: str
    ingest_port: int
    store_path: Path | None = None
    outbox_path: Path | None = None
    sensors: str | None = None
    log_level: str | None = None
    log_format: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def for_services(self) -> dict[str, str]:
        """Return the services' environment, with our defaults for what was left open."""
        return {
            **self.environment,
            "STORE_PATH": str(self.store_path or self.folder / "sensorline.db"),
            "NODE_OUTBOX_PATH": str(self.outbox_path or self.folder / "node-{name}.db"),
            "NODE_SENSORS": self.sensors or default_sensors(),
            # Four services' good news would hide the one line that matters.
            "LOG_LEVEL": self.log_level or "warning",
            # Their output is a pipe to us, but people read it.
            "LOG_FORMAT": self.log_format or "text",
            "PYTHONUNBUFFERED": "1",
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The services in the order of their start, and where people find them."""

    services: tuple[Service, ...]
    dashboard_url: str
    broker_url: str
    broker_host: str
    broker_port: int


def broker_is_given(mqtt: MqttSettings) -> bool:
    """Tell whether the settings name a broker (`MQTT_URL` or `MQTT_HOST`), so that none is started."""
    return bool({"url", "host"} & mqtt.given)


def make_plan(wishes: Wishes, say: Callable[[str], None]) -> Plan:
    """Return what to start; `say` gets one line for each port that had to move.

    Raises StartupError when a port or the broker's folder cannot be had.
    """
    env = wishes.for_services()
    taken: set[int] = set()

    def port_for(who: str, host: str, wanted: int) -> int:
        port = next_free_port(host, wanted, taken)
        taken.add(port)
        if who and port != wanted != 0:
            say(f"port {wanted} is in use, {who} takes {port}")
        return port

    services = []
    mqtt = wishes.mqtt
    broker_host, broker_port = mqtt.host, mqtt.port
    if broker_is_given(mqtt):
        scheme = {
            ("tcp", False): "mqtt",
            ("tcp", True): "mqtts",
            ("websockets", False): "ws",
            ("websockets", True): "wss",
        }
        broker_url = f"{scheme[mqtt.transport, mqtt.tls]}://{_in_url(broker_host)}:{broker_port}"
    else:
        broker_host, broker_port = broker.HOST, port_for("the broker", broker.HOST, mqtt.port)
        broker_url = f"mqtt://{broker_host}:{broker_port}"
        services.append(broker.own_broker(wishes.broker_kind, broker_port, wishes.folder / "broker"))
        # The others are for a broker elsewhere; left in the environment or in .env they would refine our URL.
        env |= {
            "MQTT_URL": broker_url,
            "MQTT_PORT": str(broker_port),
            "MQTT_TLS": "false",
            "MQTT_TRANSPORT": "tcp",
        }
    web_port = port_for("the dashboard", wishes.web_host, wishes.web_port)
    # Nobody types the port of ingest's health checks: it moves without a word.
    ingest_port = port_for("", wishes.ingest_host, wishes.ingest_port)
    env |= {
        "WEB_HOST": wishes.web_host,
        "WEB_PORT": str(web_port),
        "INGEST_HTTP_HOST": wishes.ingest_host,
        "INGEST_HTTP_PORT": str(ingest_port),
    }
    ingest_ready = Check(reachable(wishes.ingest_host), ingest_port, "/readyz")
    web_ready = Check(reachable(wishes.web_host), web_port, "/healthz")
    services += [
        Service("web", _cli("web"), env, ready=web_ready, stop_within_s=_WEB_STOP_S),
        Service(
            "ingest",
            _cli("ingest"),
            env,
            ready=ingest_ready,
            holds_back_s=_BEFORE_NODE_S,
            stop_within_s=_INGEST_STOP_S,
        ),
        Service("node", _cli("node"), env, stop_within_s=_NODE_STOP_S),
    ]
    dashboard_url = f"http://{_in_url(reachable(wishes.web_host))}:{web_port}"
    return Plan(tuple(services), dashboard_url, broker_url, broker_host, broker_port)


def default_sensors(model: Path = _MODEL) -> str:
    """Return the sensors that this machine has, as `NODE_SENSORS` takes them; `model` is Linux' board name."""
    names = ["host"]
    try:
        if "Raspberry Pi" in model.read_text(errors="replace"):
            names.append("pi")
    except OSError:
        pass  # not a board with a device tree
    if shutil.which("sensors"):
        names.append("lm_sensors")
    return ",".join(names)


def try_line(plan: Plan) -> str:
    """Return a command that publishes a first reading to the plan's broker."""
    host = "" if plan.broker_host in ("127.0.0.1", "localhost") else f"-h {plan.broker_host} "
    port = "" if plan.broker_port == 1883 else f"-p {plan.broker_port} "
    return f"mosquitto_pub {host}{port}-t sensors/desk/temperature -m 21.5"


def _cli(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "sensorline.cli", command)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
