"""Which broker `sensorline up` uses: the one that is named, a private Mosquitto, or amqtt."""

import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sensorline.errors import StartupError
from sensorline.up.services import Check, Service

HOST = "127.0.0.1"
# Debian installs the broker outside a normal user's PATH; a build from source goes to /usr/local.
_SBIN = ("/usr/sbin", "/usr/local/sbin")
_STOP_WITHIN_S = 1.5

DATABASE = "mosquitto.db"
_CANNOT_READ = "Couldn't open database"
"""What Mosquitto 2.0 says last when it cannot read its database (src/mosquitto.c)."""


def find_mosquitto() -> str | None:
    """Return the path of the Mosquitto broker, or None if this machine has none."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))


def mosquitto_conf(port: int, folder: Path) -> str:
    """Return the configuration of a private broker on this machine's loopback, its state in `folder`.

    Every line that is not Mosquitto's default has its reason; names and defaults are those of mosquitto.conf(5), 2.0.
    """
    lines = [
        "# Written by `sensorline up` at each start; changes are lost.",
        "",
        "# Only programs on this machine can connect, therefore nobody needs a password.",
        f"listener {port} {HOST}",
        "allow_anonymous true",
        "",
        "# A reading is one small packet; waiting to fill a larger one would only delay it.",
        "set_tcp_nodelay true",
        "",
        "# What the broker has confirmed but not delivered survives its restart.",
        "persistence true",
        f"persistence_location {folder}/",
        "# Seconds between two saves (1800 by default): the most that a power cut can cost the broker.",
        "autosave_interval 30",
        "",
        "# Ingest acknowledges a whole batch after its commit: 20 messages under way (the default) would be its limit. With",
        "# 10,000 live readings would wait for more than a second while it catches up.",
        "max_inflight_messages 2000",
        "# While ingest is down its messages wait here: a million of them (1000 by default), in at most 256 MiB.",
        "max_queued_messages 1000000",
        "max_queued_bytes 268435456",
        "# A batch of readings fits; a runaway payload of hundreds of megabytes (256 MB by default) does not.",
        "max_packet_size 4194304",
        "",
        "# Warnings and errors only, on the supervisor's screen.",
        "log_dest stdout",
        "log_type warning",
        "log_type error",
        "log_timestamp false",
    ]
    if os.geteuid() == 0:
        lines += [
            "",
            "# Started by root, Mosquitto would become the user `mosquitto`, who cannot write in this folder.",
            "user root",
        ]
    return "\n".join(lines) + "\n"


def own_broker(kind: str, port: int, folder: Path) -> Service:
    """Return the broker to start on `port` with its state in `folder`: `mosquitto`, `amqtt`, or `auto`.

    Raises StartupError when Mosquitto is asked for and missing, or when the folder cannot be written.
    """
    binary = None if kind == "amqtt" else find_mosquitto()
    if kind == "mosquitto" and binary is None:
        raise StartupError(
            "UP_BROKER=mosquitto, but there is none: apt-get install mosquitto, or set UP_BROKER=auto"
        )
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if binary:
            conf = folder / "mosquitto.conf"
            conf.write_text(mosquitto_conf(port, folder))
            argv: tuple[str, ...] = (binary, "-c", str(conf))
        else:
            argv = (sys.executable, "-m", "sensorline.up.amqtt_broker", "--port", str(port))
    except OSError as exc:
        raise StartupError(
            f"cannot write in {folder}/: {exc.strerror}; make it writable, or set UP_FOLDER"
        ) from exc
    return Service(
        "broker",
        argv,
        env=dict(os.environ),
        ready=Check(HOST, port),
        holds_back_s=math.inf,
        stop_within_s=_STOP_WITHIN_S,
        mend=partial(set_damaged_aside, folder) if binary else None,
    )


def set_damaged_aside(folder: Path, said: Sequence[str]) -> str | None:
    """Move Mosquitto's database aside if its last words say that it could not be read; return a sentence for people, else None.

    Mosquitto ends at a damaged database (a power cut, a full disk), at this start and at each further one. What waited in it cannot be
    had back; without it the broker begins anew, and sensor nodes send again what ingest has not confirmed.
    """
    database = folder / DATABASE
    if not any(_CANNOT_READ in line for line in said):
        return None
    aside = database.with_name(f"{DATABASE}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    try:
        database.replace(aside)
    except OSError:
        # Not there, or not ours to move: the words above ours say what is wrong.
        return None
    return (
        f"the broker cannot read its database: moved it to {aside}. It begins anew; sensor nodes send again what is not stored,"
        " what other devices had handed to the broker and ingest had not received is lost"
    )
