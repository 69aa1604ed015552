"""One ingest for each store and for each broker session; a second one is told who holds it."""

import fcntl
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import structlog

from sensorline import topics
from sensorline.errors import StartupError
from sensorline.mqtt import MqttLink, forget_session
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

    A broker may give a user one session whatever its client id (Mosquitto: use_username_as_clientid). Our probe then is
    ingest's session: it must not begin it anew, which would delete what waits there, and it has put out whoever held it. A
    living holder comes back within seconds and puts us out; so we wait for that, unless the status says that it has gone.
    """
    # Without a user name no broker can do so, and a session that ends by itself is the tidier probe.
    probe = _Probe(settings, instance, keeps_session=bool(settings.username))
    try:
        if not probe.connect(stopping):
            return
        seen = probe.statuses(
            PROBE_TIMEOUT_S, stopping, until=lambda topic, _: topic.startswith(topics.CANARY)
        )
        last = seen[-1] if seen else None
        if probe.is_the_session:
            probe.leave_no_subscription()
            if last is not None and (
                _has_stopped(last, instance) or _is_predecessor(last.instance, instance)
            ):
                return
            other = last.instance if last else {}
            log.info("waiting_for_other_ingest", other=other)
            if probe.is_put_out(2 * STATUS_INTERVAL_S + 1, stopping):
                raise _held_by(other, f"of the user {settings.username!r}", "give this one a user of its own")
            return
        if last is None or not last.is_running or _is_predecessor(last.instance, instance):
            return
        log.info("waiting_for_other_ingest", other=last.instance)
        again = probe.statuses(
            2 * STATUS_INTERVAL_S + 1, stopping, until=lambda _, other: _holds(other, instance.session)
        )
        if again and _holds(again[-1], instance.session):
            raise _held_by(again[-1].instance, repr(instance.session), "set INGEST_CLIENT_ID")
    finally:
        probe.end()


class _Status(NamedTuple):
    """What an ingest said on its status topic; its last will says `offline`."""

    state: str
    instance: dict[str, Any]

    @property
    def is_running(self) -> bool:
        return self.state not in ("offline", "stopped")


class _Probe:
    """A connection that reads the retained status and hears what follows."""

    def __init__(self, settings: MqttSettings, instance: Instance, *, keeps_session: bool) -> None:
        self._settings = settings
        self._keeps_session = keeps_session
        # Nobody else has used this client id: a session that is there already is one that the broker gave us instead.
        self._client_id = f"{instance.session}-probe-{secrets.token_hex(6)}"
        self._filters = (topics.INGEST_STATUS, f"{topics.CANARY}/{self._client_id}")
        self.is_the_session = False
        self._link = MqttLink(
            settings,
            client_id=self._client_id,
            clean_session=not keeps_session,
            subscriptions=[(topic_filter, 0) for topic_filter in self._filters],
            on_connected=self._note_session,
        )

    def _note_session(self, session_present: bool) -> None:
        # At a later connection it may be the one of our own first one.
        self.is_the_session = self.is_the_session or (session_present and self._link.generation == 1)

    def connect(self, stopping: Callable[[], bool]) -> bool:
        """Wait for the broker, as long as it takes, and ask for the status; False if ingest is to stop first."""
        self._link.start()
        while not self._link.is_connected:
            if stopping():
                return False
            time.sleep(0.01)
        # The broker sends a retained status when we subscribe, so it is here before our own message comes back.
        self._link.publish(self._filters[1], b"probe")
        return True

    def leave_no_subscription(self) -> None:
        """Take ours out of what has turned out to be ingest's own session."""
        self._link.unsubscribe(self._filters)

    def is_put_out(self, timeout_s: float, stopping: Callable[[], bool]) -> bool:
        """Tell whether the connection ends within this time: somebody else took the session."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and not stopping():
            # What waits for ingest is delivered to us meanwhile. Not acknowledged, it comes again.
            self._link.take(0.05)
            if not self._link.is_connected or self._link.generation > 1:
                return True
        return False

    def statuses(
        self,
        timeout_s: float,
        stopping: Callable[[], bool],
        until: Callable[[str, _Status | None], bool],
    ) -> list[_Status]:
        """Return what ingests said until `until(topic, status)` is true or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        seen: list[_Status] = []
        while time.monotonic() < deadline_s and not stopping():
            arrivals = self._link.take(0.1)
            for raw_topic, payload, *_ in arrivals.messages if arrivals else ():
                topic = raw_topic.decode(errors="replace")
                status = _read_status(payload) if topic == topics.INGEST_STATUS else None
                if status is not None:
                    seen.append(status)
                if until(topic, status):
                    return seen
        return seen

    def end(self) -> None:
        """Disconnect, and leave no session behind that is ours alone."""
        was_connected = self._link.generation > 0
        self._link.stop(timeout_s=0.5)
        if not (self._keeps_session and was_connected) or self.is_the_session:
            return
        forget_session(self._settings, self._client_id)


def _is_predecessor(other: dict[str, Any], instance: Instance) -> bool:
    # We hold the store's lock, so an ingest of this machine with this store is dead, whatever its status says.
    same = ("machine", "host", "store")
    return all(other.get(field) == getattr(instance, field) for field in same)


def _has_stopped(last: _Status, instance: Instance) -> bool:
    # Not `offline`: that is the last will, also of one whom we have just put out.
    return last.state == "stopped" and last.instance.get("session") == instance.session


def _holds(other: _Status | None, client_id: str) -> bool:
    return other is not None and other.is_running and other.instance.get("session") == client_id


def _held_by(holder: dict[str, Any], whose: str, otherwise: str) -> StartupError:
    who = (
        f": pid {holder.get('pid')} on {holder.get('host')} since {holder.get('started_at')}"
        if holder
        else ""
    )
    return StartupError(
        f"the broker session {whose} is held by another ingest{who}; stop it first, or {otherwise}"
    )


def _read_status(payload: bytes) -> _Status | None:
    try:
        body = msgspec.json.decode(payload)
        state, instance = body["state"], body["instance"]
    except (ValueError, msgspec.MsgspecError, KeyError, TypeError, RecursionError):
        return None
    return _Status(str(state), instance) if isinstance(instance, dict) else None
