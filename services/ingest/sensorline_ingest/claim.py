"""One ingest for each store and for each broker session; a second one is told who holds it."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog

from sensorline import topics
from sensorline.errors import StartupError
from sensorline.mqtt import MqttLink
from sensorline.settings import MqttSettings
from sensorline_ingest.announcer import STATUS_INTERVAL_S, Instance

log = structlog.get_logger()

PROBE_TIMEOUT_S = 3.0


class StoreLock:
    """Holds a store for one ingest of this machine, as long as the process lives; a kill releases it."""

    def __init__(self, store: Path, instance: Instance) -> None:
        self._path = store.with_name(store.name + ".lock")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = self._path.open("a+")
        except OSError as exc:
            raise StartupError(
                f"cannot write {self._path}: {exc.strerror}; check the folder and its permissions (STORE_PATH)"
            ) from exc
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise StartupError(
                f"the store {store} is held by another ingest: {holder}; stop it first"
            ) from None
        self._file.truncate(0)
        self._file.write(f"pid {instance.pid} on {instance.host} since {instance.started_at}\n")
        self._file.flush()

    def release(self) -> None:
        """Let another ingest have the store."""
        self._file.truncate(0)
        self._file.close()


def claim_session(settings: MqttSettings, instance: Instance, stopping: Callable[[], bool]) -> None:
    """Make sure that no other ingest is alive on this broker session; waits for the broker while it is away.

    A status that another ingest left behind when its broker died is not a living one: it has to be renewed within two
    heartbeats to count. An ingest of another session may work beside us; its status may hide the one that we look for,
    so then too we wait for two heartbeats. Raises StartupError with who holds the session.
    """
    client_id = instance.session
    probe_topic = f"{topics.CANARY}/{client_id}-probe-{secrets.token_hex(4)}"
    link = MqttLink(
        settings,
        client_id=f"{client_id}-probe-{os.getpid()}",
        clean_session=True,
        subscriptions=[(topics.INGEST_STATUS, 0), (probe_topic, 0)],
    )
    link.start()
    try:
        while not link.is_connected:
            if stopping():
                return
            time.sleep(0.01)
        link.publish(probe_topic, b"probe")
        # The broker sends a retained status when we subscribe, so it is here before our own message comes back.
        seen = _statuses(link, PROBE_TIMEOUT_S, stopping, until=lambda topic, _: topic == probe_topic)
        if not seen or _is_predecessor(seen[-1], instance):
            return
        log.info("waiting_for_other_ingest", other=seen[-1])
        again = _statuses(
            link, 2 * STATUS_INTERVAL_S + 1, stopping, until=lambda _, other: _holds(other, client_id)
        )
        if again and _holds(again[-1], client_id):
            holder = again[-1]
            raise StartupError(
                f"the broker session {client_id!r} is held by another ingest: pid {holder.get('pid')} on"
                f" {holder.get('host')} since {holder.get('started_at')}; stop it first, or set INGEST_CLIENT_ID"
            )
    finally:
        link.stop(timeout_s=0.5)


def _is_predecessor(other: dict[str, Any], instance: Instance) -> bool:
    # We hold the store's lock, so an ingest of this machine with this store is dead, whatever its status says.
    return other.get("host") == instance.host and other.get("store") == instance.store


def _holds(other: dict[str, Any] | None, client_id: str) -> bool:
    return other is not None and other.get("session") == client_id


def _statuses(
    link: MqttLink,
    timeout_s: float,
    stopping: Callable[[], bool],
    until: Callable[[str, dict[str, Any] | None], bool],
) -> list[dict[str, Any]]:
    """Return the instances that said that they run, until `until(topic, instance)` is true or the time is over."""
    deadline_s = time.monotonic() + timeout_s
    seen: list[dict[str, Any]] = []
    while time.monotonic() < deadline_s and not stopping():
        arrivals = link.take(0.1)
        for topic, payload, *_ in arrivals.messages if arrivals else ():
            instance = _running_instance(payload)
            if instance is not None:
                seen.append(instance)
            if until(topic.decode(), instance):
                return seen
    return seen


def _running_instance(status: bytes) -> dict[str, Any] | None:
    try:
        body = msgspec.json.decode(status)
        instance = None if body["state"] in ("offline", "stopped") else body["instance"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    return instance if isinstance(instance, dict) else None
