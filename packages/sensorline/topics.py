"""The topic grammar: which topics there are, and which names a device or a metric may have.

    sensors/<device>/<metric>     one metric's value
    sensors/<device>              an object of several metrics
    sensors/<device>/$status      online | offline, retained
    sensors/<device>/$meta        facts about the device, retained
    sensors/<device>/$health      a node's outbox: how full it is, what it refused, retained
    acks/<device>                 from ingest: sequence numbers that are durable
    sensorline/ingest/$status     from ingest: state and counters, retained
    sensorline/ingest/confirm/<token>  to ingest: say when what came before this is durable
    acks/$confirm/<token>         from ingest: it is
    sensorline/rejected/<topic>   from ingest: one for each rejected message
    sensorline/events/<device>    from ingest: where data may be missing; $all stands for every device
    sensorline/canary/<client>    a client's message to itself, to prove that its session is alive
    sensorline/doctor/<token>/…   `sensorline doctor` to itself, to measure the broker

MQTT 3.1.1, section 4.7 rules topic names: UTF-8, at most 65,535 bytes, `+` and `#` only in filters.
"""

import unicodedata
from functools import lru_cache

from sensorline.errors import Rejected

SENSORS = "sensors"
SENSORS_FILTER = "sensors/#"
ACKS = "acks"
REJECTED = "sensorline/rejected"
EVENTS = "sensorline/events"
EVENTS_FILTER = "sensorline/events/#"
CANARY = "sensorline/canary"
DOCTOR = "sensorline/doctor"
INGEST_STATUS = "sensorline/ingest/$status"

CONFIRM = "sensorline/ingest/confirm"
CONFIRMED = "acks/$confirm"

STATUS = "$status"
META = "$meta"
HEALTH = "$health"

NAME_MAX_CHARS = 128
"""A device path or metric longer than this is refused: it would be a payload in the wrong place."""

TOPIC_MAX_BYTES = 65_535
"""MQTT 3.1.1, section 1.5.3: a UTF-8 string has a two-byte length."""


def check_name(name: str, what: str) -> str:
    """Return `name` in Unicode normal form C, so that twins that look the same are the same.

    `what` is "device" or "metric" and appears in the message. Raises Rejected with the reasons `name_empty`,
    `name_too_long`, `name_unprintable`, `name_wildcard` or `name_reserved`.
    """
    if not name:
        raise Rejected("name_empty", f"the {what} name is empty")
    # First of all: the normal form can be longer than what was sent.
    name = unicodedata.normalize("NFC", name)
    if len(name) > NAME_MAX_CHARS:
        raise Rejected(
            "name_too_long",
            f"the {what} name has {len(name)} characters; at most {NAME_MAX_CHARS} are allowed",
        )
    if not name.isprintable():
        bad = next(c for c in name if not c.isprintable())
        raise Rejected(
            "name_unprintable",
            f"the {what} name contains U+{ord(bad):04X}; names are printable characters without controls",
        )
    if "+" in name or "#" in name:
        raise Rejected("name_wildcard", f"the {what} name {name!r} contains + or #, which are MQTT wildcards")
    if name.startswith("$"):
        raise Rejected(
            "name_reserved", f"the {what} name {name!r} starts with $; only $status, $meta and $health do"
        )
    return name


def check_device(name: str) -> str:
    """Return a device path such as `zigbee2mqtt/kitchen/fridge`, checked level by level. Raises Rejected."""
    name = check_name(name, "device")
    if any(not level for level in name.split("/")):
        raise Rejected(
            "topic_level_empty", f"the device {name!r} has an empty level (two slashes, or one at an end)"
        )
    if "/$" in name:
        raise Rejected("name_reserved", f"the device {name!r} has a level that starts with $")
    return name


def check_metric(name: str) -> str:
    """Return a metric name, which has no slash. Raises Rejected."""
    name = check_name(name, "metric")
    if "/" in name:
        raise Rejected("name_slash", f"the metric name {name!r} contains a slash")
    return name


def decode_topic(topic: bytes) -> str:
    """Return a topic's text. Raises Rejected (`topic_not_utf8`): MQTT 3.1.1 [MQTT-1.5.3-1] forbids anything else."""
    try:
        return topic.decode()
    except UnicodeDecodeError as exc:
        raise Rejected("topic_not_utf8", f"the topic is not UTF-8: {exc.reason} at byte {exc.start}") from exc


def printable_topic(topic: bytes) -> str:
    """Return a topic for people and for dead letters; bytes that are not UTF-8 appear as \\xNN."""
    return topic.decode(errors="backslashreplace")


def acks_topic(device: str) -> str:
    """Return the topic on which ingest confirms a device's sequence numbers."""
    return f"{ACKS}/{device}"


def rejected_topic(topic: str) -> str:
    """Return the topic on which a rejected message is announced; wildcards and controls become `_`."""
    safe = "".join("_" if c in "+#" or not c.isprintable() else c for c in topic)
    return f"{REJECTED}/{safe.lstrip('/')[:1024]}"


def events_topic(device: str) -> str:
    """Return the topic on which ingest announces a device's events; with an empty name, of those that concern all."""
    return f"{EVENTS}/{device or '$all'}"


@lru_cache(maxsize=4096)
def filter_matches(topic_filter: str, topic: str) -> bool:
    """Tell whether an MQTT topic filter takes a topic (MQTT 3.1.1, section 4.7.1 and 4.7.2)."""
    if topic.startswith("$") and not topic_filter.startswith("$"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or (level not in ("+", levels[i])):
            return False
    return len(wanted) == len(levels)
