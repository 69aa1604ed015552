"""What only the broker's configuration tells: whether it keeps anything on disk, and what its other listeners let in."""

from collections.abc import Iterator

from sensorline.doctor.context import in_words
from sensorline.doctor.findings import Finding, Level
from sensorline.doctor.mosquitto_conf import Configuration

AUTOSAVE_DEFAULT_S = 1_800
AUTOSAVE_MOST_S = 300
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}


def unseen(host: str) -> Finding:
    """Return that there was no file to be read."""
    return Finding(
        level=Level.UNSEEN,
        part="broker",
        check="persistence",
        says=f"whether it keeps sessions on disk does not show from outside, and the configuration of the broker at {host} is not to be"
        " seen here",
        fix="mosquitto.conf: persistence true   (sensorline doctor --mosquitto-conf FILE reads it)",
    )


def judge(conf: Configuration) -> Iterator[Finding]:
    """Yield what the file says."""
    if conf.changed_since_start:
        yield _finding(
            Level.WARNING,
            "configuration",
            f"{conf.path} was changed after the broker started: not all of it is in force",
            "systemctl restart mosquitto",
        )
    yield _persistence(conf)
    expiration = conf.options.get("persistent_client_expiration", "")
    days = _days(expiration)
    if days is not None and days < 1:
        yield _finding(
            Level.PROBLEM,
            "expiration",
            f"a session whose client is away for {expiration} is deleted, with what waits for ingest in it",
            "mosquitto.conf: persistent_client_expiration 30d",
        )
    if conf.number("message_size_limit", 0):
        yield _finding(
            Level.PROBLEM,
            "message_size_limit",
            f"messages above {conf.number('message_size_limit', 0):,} bytes are confirmed and dropped (message_size_limit)",
            "mosquitto.conf: max_packet_size 1048576   (instead of message_size_limit)",
        )
    if conf.is_on("queue_qos0_messages"):
        yield _finding(
            Level.WARNING,
            "queue_qos0",
            "QoS 0 messages take room in the queue that ingest's QoS 1 messages need",
            "mosquitto.conf: queue_qos0_messages false",
        )
    if conf.is_on("per_listener_settings"):
        yield _finding(
            Level.WARNING,
            "per_listener_settings",
            "per_listener_settings is deprecated, and durable sessions break with it in Mosquitto 2.0.12 to 2.0.18",
            "mosquitto.conf: per_listener_settings false",
        )
    yield from _listeners(conf)


def _persistence(conf: Configuration) -> Finding:
    if not conf.is_on("persistence"):
        return _finding(
            Level.PROBLEM,
            "persistence",
            "it keeps nothing on disk: a restart forgets ingest's session and everything that waits in it",
            "mosquitto.conf: persistence true, and persistence_location",
        )
    every_s = conf.number("autosave_interval", AUTOSAVE_DEFAULT_S)
    on_changes = conf.is_on("autosave_on_changes")
    if not every_s or (every_s > AUTOSAVE_MOST_S and not on_changes):
        when = f"every {every_s / 60:g} minutes" if every_s else "only when it stops"
        return _finding(
            Level.WARNING,
            "persistence",
            f"it saves sessions {when}: a power cut costs what was confirmed since, and a new session itself",
            "mosquitto.conf: autosave_interval 30",
        )
    every = in_words(every_s, "change" if on_changes else "second")
    return _finding(Level.FINE, "persistence", f"it saves sessions to disk after {every}")


def _listeners(conf: Configuration) -> Iterator[Finding]:
    everywhere = conf.options.get("use_username_as_clientid", "")
    for listener in conf.listeners:
        if listener.is_loopback:
            continue
        if listener.options.get("use_username_as_clientid", everywhere).lower() not in ("true", "1"):
            yield _finding(
                Level.PROBLEM,
                "listeners",
                f"on the listener {listener.port} a session belongs to whoever gives its client id: ingest's can be ended and emptied",
                f"mosquitto.conf, below `listener {listener.port}`: use_username_as_clientid true",
            )
        if conf.is_on("allow_anonymous"):
            yield _finding(
                Level.WARNING,
                "listeners",
                f"the listener {listener.port} can be reached from other machines and lets in who gives no user name",
                "mosquitto.conf: allow_anonymous false, or `listener PORT 127.0.0.1`",
            )


def _days(text: str) -> float | None:
    if not text[:-1].isdigit() or text[-1] not in _DAYS:
        return None
    return int(text[:-1]) * _DAYS[text[-1]]


def _finding(level: Level, check: str, says: str, fix: str = "") -> Finding:
    return Finding(level=level, part="broker", check=check, says=says, fix=fix)
