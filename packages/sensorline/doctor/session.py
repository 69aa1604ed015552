"""One connection of the doctor to the broker, under names that nobody else has."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from sensorline import topics
from sensorline.errors import SensorlineError
from sensorline.mqtt import Arrivals, MqttLink, RawMessage
from sensorline.settings import MqttSettings

CONNECT_TIMEOUT_S = 6.0


class NotLetIn(SensorlineError):
    """The broker does not answer, or refused the connection; the message has its words."""


class PutOut(SensorlineError):
    """The connection ended while it was in use."""


class _Ending:
    """Whether the doctor has been told to end. An exception in a signal handler would not do: it can be lost in a finalizer."""

    exit_code: int | None = None


def end(exit_code: int) -> None:
    """Let the sessions end at their next step, by SystemExit; those that clean up go on. Safe in a signal handler."""
    _Ending.exit_code = exit_code


def go_on() -> None:
    """Raise SystemExit if the doctor has been told to end."""
    if _Ending.exit_code is not None:
        raise SystemExit(_Ending.exit_code)


class Names(NamedTuple):
    """What one run of the doctor calls itself."""

    client_id: str
    topic: str

    @staticmethod
    def drawn() -> "Names":
        """Return names that nobody else has used."""
        token = secrets.token_hex(6)
        return Names(f"sensorline-doctor-{token}", f"{topics.DOCTOR}/{token}")


class Session:
    """A connection that does not come back when it ends: `with Session(…) as s` raises NotLetIn if it cannot begin.

    `keeps` asks the broker to keep the session. `subscriptions` are (filter, QoS) pairs. What arrives is not acknowledged
    unless `receive` is told to. One that `cleans_up` does its work also when the doctor has been told to end.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        keeps: bool = False,
        subscriptions: Sequence[tuple[str, int]] = (),
        cleans_up: bool = False,
    ) -> None:
        self._go_on: Callable[[], None] = (lambda: None) if cleans_up else go_on
        self._has_subscriptions = bool(subscriptions)
        self._present: list[bool] = []
        self._taken: list[Arrivals] = []
        try:
            self._link = MqttLink(
                settings,
                client_id=client_id,
                clean_session=not keeps,
                subscriptions=subscriptions,
                on_connected=self._present.append,
            )
        except OSError as exc:
            raise NotLetIn(
                f"cannot connect: {exc.filename or 'a certificate'}: {exc.strerror or exc}"
            ) from exc

    def __enter__(self) -> Self:
        self._go_on()
        self._link.start()
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not (self._link.is_subscribed if self._has_subscriptions else self._link.is_connected):
            if self._link.refusal or time.monotonic() > deadline_s or self._link.generation > 1:
                self._link.stop(timeout_s=0)
                raise NotLetIn(self._link.refusal or "the broker takes the connection and does not answer")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._link.stop(timeout_s=0.5)

    @property
    def session_present(self) -> bool:
        """True if the broker had a session for us when we came."""
        return bool(self._present and self._present[0])

    @property
    def is_open(self) -> bool:
        """True until the connection has ended for the first time."""
        return self._link.is_connected and self._link.generation == 1

    def send(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish, waiting while too much is on its way. Raises PutOut when the connection has ended."""
        while self.is_open:
            self._go_on()
            if self._link.publish(topic, payload, qos=qos, retain=retain):
                return
            time.sleep(0.002)
        raise PutOut("the connection ended: another program uses this user, or the broker closed it")

    def receive(
        self,
        timeout_s: float,
        until: Callable[[RawMessage], bool] | None = None,
        *,
        acknowledges: bool = False,
    ) -> list[RawMessage]:
        """Return what arrives until `until(message)` is true for one, the time is over or the connection ends."""
        out: list[RawMessage] = []
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            self._go_on()
            arrivals = self._link.take(min(left_s, 0.1))
            if arrivals is None:
                if not self.is_open:
                    break
                continue
            self._taken.append(arrivals)
            if acknowledges:
                self.acknowledge()
            out += arrivals.messages
            if until is not None and any(map(until, arrivals.messages)):
                break
        return out

    def acknowledge(self) -> None:
        """Acknowledge everything that was received."""
        while self._taken:
            self._link.ack(self._taken.pop(0))
